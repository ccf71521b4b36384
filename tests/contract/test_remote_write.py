"""Long-term metrics: one real Prometheus writes to another by the queue that a stack deploys, also over an outage.

The operator's own code makes the configuration. What a stack writes to is an address on this machine instead, without
credentials: that AWS takes the role, and an endpoint the password, is not tried.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import yaml

import inputs
from checks.waiting import eventually
from components.metrics.component import prometheus_spec
from components.metrics.remote_write import levels
from engine.toolchain import tool
from facts import ROOT
from local.ports import HOST, free_ports
from rehearsal.scrape import prometheus_object
from settings import Metrics, RemoteWrite

WORKSPACE = "ws-0a1b2c3d-1111-2222-3333-444455556666"
RECORDED, OWN, OTHER = "service:up:ratio", "business_orders_total", "process_cpu_seconds_total"
"""Series of the three kinds: a rule records one of them, the application has one, and all others are as the last."""


@cache
def prod() -> inputs.Inputs:
    return inputs.read(ROOT, "prod")


def deployed(remote: RemoteWrite) -> dict[str, Any]:
    """The configuration that the operator makes for production with this second place."""
    settings = prod().settings.model_copy(update={"metrics": Metrics(remote_write=remote)})
    values = prometheus_spec(settings, levels(prod().rules))
    made = prometheus_object(values)
    made["spec"]["remoteWrite"] = values["remoteWrite"]
    done = subprocess.run(
        [str(tool("operatorconfig"))],
        input=json.dumps({"prometheus": made}),
        capture_output=True,
        text=True,
        check=True,
    )
    document: dict[str, Any] = yaml.safe_load(done.stdout.replace("$(POD_NAME)", "prometheus-0"))
    return document


def test_prometheus_accepts_the_queue_of_a_workspace_and_signs_for_its_region(tmp_path: Path) -> None:
    made = deployed(RemoteWrite(workspace=WORKSPACE))
    (queue,) = made["remote_write"]
    assert queue["url"] == (
        f"https://aps-workspaces.us-west-2.amazonaws.com/workspaces/{WORKSPACE}/api/v1/remote_write"
    )
    assert queue["sigv4"] == {"region": "us-west-2"}
    file = tmp_path / "prometheus.yaml"
    file.write_text(yaml.safe_dump({"global": made["global"], "remote_write": [queue]}))
    subprocess.run([str(tool("promtool")), "check", "config", "--syntax-only", str(file)], check=True)


@contextmanager
def running(directory: Path, port: int, *arguments: str) -> Iterator[httpx.Client]:
    """A Prometheus with the directory's `prometheus.yaml`, until the block ends; what it stores stays."""
    command = [
        str(tool("prometheus")),
        f"--config.file={directory / 'prometheus.yaml'}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address={HOST}:{port}",
        *arguments,
    ]
    with (directory / "log").open("a") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://{HOST}:{port}", trust_env=False) as client:
            eventually(lambda: client.get("/-/ready").is_success, what="Prometheus is not ready")
            yield client
    finally:
        process.kill()  # asked to end, it would first try for a minute to send the rest
        process.wait()


def found(client: httpx.Client, query: str) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = client.get("/api/v1/query", params={"query": query}).json()["data"]["result"]
    return results


def samples(client: httpx.Client, name: str) -> set[tuple[float, str]]:
    """Every stored sample of the series of this name."""
    return {(at, value) for series in found(client, f"{name}[1h]") for at, value in series["values"]}


def receiver(directory: Path, port: int) -> Any:
    """The second place."""
    directory.mkdir(exist_ok=True)
    (directory / "prometheus.yaml").write_text("")
    return running(directory, port, "--web.enable-remote-write-receiver")


@contextmanager
def writer(directory: Path, port: int, remote: RemoteWrite, address: str) -> Iterator[httpx.Client]:
    """A Prometheus that scrapes itself each second, and writes to the address as a stack does."""
    made = deployed(remote)
    queue = {key: value for key, value in made["remote_write"][0].items() if key != "sigv4"}
    rules = [{"record": RECORDED, "expr": "vector(time())"}, {"record": OWN, "expr": "vector(time())"}]
    directory.mkdir(exist_ok=True)
    (directory / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": rules}]}))
    configuration = {
        "global": {
            "scrape_interval": "1s",
            "evaluation_interval": "1s",
            "external_labels": made["global"]["external_labels"],
        },
        "rule_files": ["rules.yaml"],
        "scrape_configs": [{"job_name": "itself", "static_configs": [{"targets": [f"{HOST}:{port}"]}]}],
        "remote_write": [queue | {"url": f"{address}/api/v1/write"}],
    }
    (directory / "prometheus.yaml").write_text(yaml.safe_dump(configuration))
    with running(directory, port) as client:
        yield client


def test_recorded_series_alone_arrive_and_none_is_missing_after_an_outage(tmp_path: Path) -> None:
    here, there = free_ports(2)
    remote = RemoteWrite(workspace=WORKSPACE)
    with writer(tmp_path / "here", here, remote, f"http://{HOST}:{there}") as prometheus:
        with receiver(tmp_path / "there", there) as place:
            eventually(lambda: len(samples(place, RECORDED)) > 2, what="no sample arrives")
            (series,) = found(place, OWN)
            assert not found(place, OTHER)
            assert (series["metric"]["cluster"], series["metric"]["__replica__"]) == ("prod", "prometheus-0")
        retried = "prometheus_remote_storage_samples_retried_total > 0"
        before = len(samples(prometheus, RECORDED))
        eventually(lambda: found(prometheus, retried), what="no request fails")
        eventually(lambda: len(samples(prometheus, RECORDED)) > before + 10, what="the outage is too short")
        with receiver(tmp_path / "there", there) as place:
            for name in (RECORDED, OWN):
                stored = samples(prometheus, name)
                eventually(lambda: stored <= samples(place, name), what="samples of the outage are missing")  # noqa: B023
        assert not found(prometheus, "prometheus_remote_storage_samples_failed_total > 0")


def test_everything_arrives_where_a_stack_asks_for_it(tmp_path: Path) -> None:
    here, there = free_ports(2)
    remote = RemoteWrite(workspace=WORKSPACE, series="all", replica_label="replica")
    with (
        receiver(tmp_path / "there", there) as place,
        writer(tmp_path / "here", here, remote, f"http://{HOST}:{there}"),
    ):
        series = eventually(lambda: found(place, OTHER), what="what is scraped does not arrive")
        assert series[0]["metric"]["replica"] == "prometheus-0"
        assert found(place, RECORDED)


def test_the_levels_of_every_recorded_series_are_written() -> None:
    (queue,) = prometheus_spec(
        prod().settings.model_copy(update={"metrics": Metrics(remote_write=RemoteWrite(workspace=WORKSPACE))}),
        levels(prod().rules),
    )["remoteWrite"]
    assert {"service", "instance", "probes", "aws"} <= levels(prod().rules)
    assert "|service|" in queue["writeRelabelConfigs"][0]["regex"]
