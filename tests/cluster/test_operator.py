"""What the real operator makes of our objects: rules, Alertmanager's configuration, Prometheus' scrape jobs."""

from __future__ import annotations

import base64
import copy
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

import parts
from checks.waiting import eventually
from components.alerting.component import CONFIGURATION_KEY, CONFIGURATION_SECRET
from components.metrics import remote_write
from components.metrics.component import FOR_GRACE_PERIOD
from control_plane.network import PodNetwork
from control_plane.plane import ControlPlane, KubectlError
from engine.toolchain import tool
from facts import NAMESPACE
from rehearsal import scrape
from rehearsal.chart_targets import Process
from settings import RemoteWrite
from tests.cluster import operator
from tests.cluster.conftest import STACKS, Rendering, apply_definitions
from tests.cluster.test_access import placed
from tests.cluster.test_skeletons import Render, of
from tests.cluster.test_skeletons import render as render

MONITORS = ("ServiceMonitor", "PodMonitor", "Probe")
DISCOVERY = ("file_sd_configs", "kubernetes_sd_configs")


@pytest.fixture(scope="module", autouse=True)
def started(
    plane: ControlPlane, network: PodNetwork | None, definitions: list[Path], stacks: dict[str, Rendering]
) -> Iterator[None]:
    """The operator, with what must be there before it; gone at the end, when another one may come with its chart."""
    if network is None:
        pytest.skip("the API server cannot call the operator without a network namespace")
    apply_definitions(plane, definitions)
    plane.apply(*stacks["dev"].of("Namespace"))
    operator.start(plane, network)
    yield
    plane.children.stop(operator.PROCESS)


@pytest.mark.parametrize("stack", STACKS)
def test_every_rule_is_admitted(plane: ControlPlane, stacks: dict[str, Rendering], stack: str) -> None:
    rules = stacks[stack].of("PrometheusRule")
    assert len(plane.apply(*rules, dry_run=True).splitlines()) == len(rules) > 8


def test_a_rule_with_bad_promql_is_refused_with_the_reason(plane: ControlPlane, stacks: dict[str, Rendering]) -> None:
    rule = copy.deepcopy(stacks["dev"].of("PrometheusRule")[0])
    rule["spec"]["groups"][0]["rules"][0]["expr"] = "sum(rate(up[5m])"
    with pytest.raises(KubectlError, match=r"could not parse expression.*unclosed left parenthesis"):
        plane.apply(rule, dry_run=True)


@pytest.mark.parametrize("stack", STACKS)
def test_the_alertmanager_configuration_is_accepted_and_a_broken_one_is_not(
    plane: ControlPlane, stacks: dict[str, Rendering], render: Render, stack: str
) -> None:
    rendering = stacks[stack]
    secrets = rendering.of("Secret")
    kinds = ("PriorityClass", "StorageClass", "PersistentVolume")
    plane.apply(*(item for kind in kinds for item in rendering.of(kind)), *secrets)
    plane.apply(*placed(of("ServiceAccount", render(stack))), made(render, stack, "Alertmanager"))
    reconciled(plane, "True")
    eventually(lambda: condition(plane, "Available")["status"] == "True", what="no Alertmanager is available")
    assert pod_template(plane, parts.ALERTMANAGER.workload)["metadata"]["labels"].items() >= set(
        parts.ALERTMANAGER.labels.items()
    )

    broken = next(copy.deepcopy(item) for item in secrets if item["metadata"]["name"] == CONFIGURATION_SECRET)
    configuration = yaml.safe_load(broken["stringData"][CONFIGURATION_KEY])
    configuration["route"]["routes"][0]["receiver"] = "nobody-there"
    broken["stringData"][CONFIGURATION_KEY] = yaml.safe_dump(configuration)
    plane.apply(broken)
    assert 'undefined receiver "nobody-there"' in reconciled(plane, "False")["message"]
    plane.apply(*secrets)
    reconciled(plane, "True")
    plane.kubectl("delete", "alertmanager", parts.ALERTMANAGER.service, f"--namespace={NAMESPACE}")


@pytest.mark.parametrize("stack", STACKS)
def test_prometheus_scrapes_what_the_rehearsal_derives(
    plane: ControlPlane, stacks: dict[str, Rendering], stack: str
) -> None:
    """Job by job, but for discovery, and certificates of the cluster."""
    rendering = stacks[stack]
    monitors = [item for kind in MONITORS for item in rendering.of(kind)]
    values = rendering.release("kube-prometheus-stack")["prometheus"]["prometheusSpec"]
    plane.apply(*monitors, prometheus(values))
    wanted = {job["job_name"]: comparable(job) for job in derived(monitors, values)["scrape_configs"]}

    def written() -> dict[str, Any]:
        jobs = configuration(plane).get("scrape_configs") or []
        return {job["job_name"]: comparable(job) for job in jobs}

    eventually(lambda: len(written()) == len(monitors), 30, f"not every monitor became a job: {list(written())}")
    jobs = written()
    for name, job in jobs.items():
        assert job == wanted[name], name
    grace = f"--rules.alert.for-grace-period={FOR_GRACE_PERIOD}"
    eventually(lambda: grace in arguments(plane), what=f"the operator does not start Prometheus with {grace}")
    assert not {"--web.enable-lifecycle", "--web.enable-admin-api"}.intersection(arguments(plane))
    template = pod_template(plane, parts.PROMETHEUS.workload)
    assert template["spec"]["shareProcessNamespace"]  # in which the reloader finds Prometheus
    labels = template["metadata"]["labels"]
    assert labels.items() >= set(parts.PROMETHEUS.labels.items())
    plane.kubectl("delete", "prometheus,servicemonitor,podmonitor,probe", "--all", f"--namespace={NAMESPACE}")


@pytest.mark.parametrize("username", [None, "plant"])
def test_long_term_metrics_are_written_with_the_credential_of_the_secret(
    plane: ControlPlane, stacks: dict[str, Rendering], username: str | None
) -> None:
    remote = RemoteWrite(url="https://mimir.test/api/v1/push", username=username, tenant="shop")
    made = prometheus(stacks["dev"].release("kube-prometheus-stack")["prometheus"]["prometheusSpec"])
    made["spec"] |= remote_write.prometheus_spec(remote, None, frozenset({"service"}))
    metadata = {"name": remote_write.SECRET, "namespace": NAMESPACE}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
    plane.apply(secret | {"stringData": remote_write.credential(remote, "word")}, made)
    (queue,) = eventually(lambda: configuration(plane).get("remote_write"), 30, "nothing is written remotely")
    proof = {"basic_auth": {"username": username, "password": "word"}}
    assert (
        queue.items() >= (proof if username else {"authorization": {"type": "Bearer", "credentials": "word"}}).items()
    )
    assert queue["headers"] == {"X-Scope-OrgID": "shop"}
    plane.kubectl(
        "delete", f"prometheus/{parts.PROMETHEUS.service}", f"secret/{remote_write.SECRET}", f"-n={NAMESPACE}"
    )
    eventually(lambda: not configuration(plane), 30, "the configuration of the last one is left")


def arguments(plane: ControlPlane) -> list[str]:
    """The arguments with which the operator starts Prometheus; none while it has not."""
    containers = pod_template(plane, parts.PROMETHEUS.workload)["spec"]["containers"]
    return [argument for item in containers if item["name"] == "prometheus" for argument in item["args"]]


def pod_template(plane: ControlPlane, workload: str) -> dict[str, Any]:
    """The pods of a StatefulSet that the operator has made; of one that it has not, they have nothing."""
    with plane.client() as client:
        answer = client.get(f"/apis/apps/v1/namespaces/{NAMESPACE}/statefulsets/{workload}")
    if not answer.is_success:
        return {"metadata": {"labels": {}}, "spec": {"containers": []}}
    template: dict[str, Any] = answer.json()["spec"]["template"]
    return template


SHARD = "__tmp_current_shard"
"""By this label a Prometheus of several shards takes its share. Of one shard it takes all, so nobody derives it."""


def comparable(job: dict[str, Any]) -> dict[str, Any]:
    """A job without what the rehearsal has otherwise."""
    kept = {key: value for key, value in job.items() if key not in (*DISCOVERY, *scrape.CLUSTER_ONLY)}
    rules = [
        rule for rule in job.get("relabel_configs", []) if SHARD not in (rule.get("target_label"), *_sources(rule))
    ]
    return kept | {"relabel_configs": rules}


def _sources(rule: dict[str, Any]) -> list[str]:
    sources: list[str] = rule.get("source_labels", [])
    return sources


def derived(monitors: list[dict[str, Any]], values: dict[str, Any]) -> dict[str, Any]:
    """The rehearsal's configuration, with the prober at its address in the cluster."""
    local = scrape.Local(
        operatorconfig=tool("operatorconfig"),
        targets=Path("targets"),
        rule_files=[],
        addresses=dict.fromkeys(get_args(Process), parts.BLACKBOX_EXPORTER.address)
        | {"route_sums": parts.ROUTE_SUMS.address},
    )
    return scrape.prometheus_configuration(monitors, values, local)


def configuration(plane: ControlPlane) -> dict[str, Any]:
    """The configuration that the operator has written for Prometheus; empty while it has not."""
    with plane.client() as client:
        answer = client.get(f"/api/v1/namespaces/{NAMESPACE}/secrets/{parts.PROMETHEUS.workload}")
    if not answer.is_success:
        return {}
    text = gzip.decompress(base64.b64decode(answer.json()["data"]["prometheus.yaml.gz"])).decode()
    document: dict[str, Any] = yaml.safe_load(
        text.replace("$(POD_NAME)", parts.PROMETHEUS.pod).replace("$(SHARD)", "0")
    )
    return document


def prometheus(values: dict[str, Any]) -> dict[str, Any]:
    """The Prometheus object that the chart makes of its values, without its volumes."""
    return {"apiVersion": "monitoring.coreos.com/v1", "kind": "Prometheus", **scrape.prometheus_object(values)}


def made(render: Render, stack: str, kind: str) -> dict[str, Any]:
    """The one object of this kind that the charts make of the stack's values."""
    (found,) = of(kind, render(stack))
    return placed([found])[0]


def condition(plane: ControlPlane, kind: str) -> dict[str, Any]:
    """A condition of the Alertmanager object, as the operator last saw it; without a status while it has none."""
    found = json.loads(
        plane.kubectl("get", "alertmanager", parts.ALERTMANAGER.service, f"--namespace={NAMESPACE}", "--output=json")
    )
    conditions: list[dict[str, Any]] = found.get("status", {}).get("conditions", [])
    return next((item for item in conditions if item["type"] == kind), {"status": None})


def reconciled(plane: ControlPlane, status: str) -> dict[str, Any]:
    """Wait until the operator says that it could, or could not, do what the Alertmanager object asks for."""

    def look() -> dict[str, Any] | None:
        seen = condition(plane, "Reconciled")
        return seen if seen["status"] == status else None

    return eventually(look, 30, f"Reconciled is not {status}")
