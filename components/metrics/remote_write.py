"""Long-term metrics: what Prometheus writes to a second place, how, and with which credentials. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import parts
from settings import Aws, RemoteWrite

NAME = "long-term"
"""Name of the queue: the label `remote_name` of its metrics."""
SECRET = "remote-write-credential"  # noqa: S105 - the name of a Secret, not its content
SERVICE_ACCOUNT = parts.PROMETHEUS.service
"""The chart calls Prometheus' service account as it does its Service."""
APPLICATION = "business"
"""Prefix of the application's own series about its business."""

SHARDS, CAPACITY, BATCH = 10, 10_000, 2_000
"""The queue: requests at once, samples that each holds, samples in a request.

What waits for the other side is the write-ahead log, not this queue. Prometheus keeps what it has not sent there for
two hours (prometheus.io, "Remote write tuning"), and what is older is lost. So an outage of an hour leaves an hour to
catch up. At 200 ms for a request, ten shards send 100,000 samples a second; a hundred thousand series every 15 s are
6,700 a second, and an hour of them is sent after 5 min. In memory are at most 120,000 samples, about 20 MB at the
500 kB that the same page counted for 3,000. Prometheus' own 50 shards would be five times that.
"""

Levels = frozenset[str]
"""First parts of the names of recorded series, such as `service`."""


def levels(rules: Mapping[str, Iterable[Mapping[str, Any]]]) -> Levels:
    """The levels of all series that rule groups record."""
    return frozenset(
        rule["record"].partition(":")[0]
        for groups in rules.values()
        for group in groups
        for rule in group["rules"]
        if "record" in rule
    )


def prometheus_spec(remote: RemoteWrite, aws: Aws | None, recorded: Levels) -> dict[str, Any]:
    """The part of the Prometheus object."""
    everything = remote.series == "all"
    names = f"({'|'.join(sorted(recorded))}):.+|{APPLICATION}_.+"
    queue: dict[str, Any] = {
        "name": NAME,
        "queueConfig": {
            "maxShards": SHARDS,
            "capacity": CAPACITY,
            "maxSamplesPerSend": BATCH,
            "retryOnRateLimit": True,  # by default, what is refused for coming too fast is lost
        },
        "metadataConfig": {"send": everything},
    }
    if not everything:
        queue["writeRelabelConfigs"] = [{"action": "keep", "sourceLabels": ["__name__"], "regex": names}]
    return {
        "remoteWrite": [queue | _place(remote, aws)],
        # The other side takes one copy of what the replicas write alike: by this label and by `cluster`.
        "replicaExternalLabelName": remote.replica_label,
    }


def _place(remote: RemoteWrite, aws: Aws | None) -> dict[str, Any]:
    if remote.workspace and aws:
        url = f"https://aps-workspaces.{aws.region}.amazonaws.com/workspaces/{remote.workspace}/api/v1/remote_write"
        return {"url": url, "sigv4": {"region": aws.region}}
    place: dict[str, Any] = {"url": remote.url}
    if remote.username:
        place["basicAuth"] = {key: {"name": SECRET, "key": key} for key in ("username", "password")}
    else:
        place["authorization"] = {"credentials": {"name": SECRET, "key": "token"}}
    if remote.tenant:
        place["headers"] = {"X-Scope-OrgID": remote.tenant}
    return place


def credential(remote: RemoteWrite, secret: Any) -> dict[str, Any]:
    """The keys of the Secret; `secret` is a password or a token."""
    return {"username": remote.username, "password": secret} if remote.username else {"token": secret}


def write_statements(workspace: str, region: str) -> list[dict[str, Any]]:
    """What Prometheus may do: write to its workspace, whose ID only one account has."""
    resource = f"arn:aws:aps:{region}:*:workspace/{workspace}"
    return [{"Effect": "Allow", "Action": ["aps:RemoteWrite"], "Resource": resource}]
