"""The checks of a deployed stack: silent where all is well, and each defect is found and named."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

import verify.__main__ as command
from components.addresses import ALERTMANAGER, GRAFANA, PROMETHEUS
from components.charts import PROMETHEUS_OPERATOR_CRDS
from settings import KEY, parse
from tests.contract.chart_keys import KeyList
from tests.program import Program, configuration, evaluate
from verify.checks import CHECKS, Check
from verify.cluster import ClusterError, Kubectl, behind_service
from verify.configuration import differences
from verify.context import main as context_command
from verify.expectations import Expected, expectations, jobs
from verify.finding import Finding
from verify.kubernetes import DEFINITIONS

NS = "/api/v1/namespaces/monitoring"
APPS = "/apis/apps/v1/namespaces/monitoring"
OPERATOR = "/apis/monitoring.coreos.com/v1"

Answers = dict[str, Any]


class FakeCluster:
    """A stand-in for a cluster: it answers what it was given and shows nothing about kubectl or an API server."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers

    def get(self, path: str) -> Any:
        if path not in self.answers:
            raise ClusterError(f"GET {path}: not found")
        return self.answers[path]


def prometheus(path: str, **parameters: str) -> str:
    return behind_service("monitoring", PROMETHEUS, f"api/v1/{path}", parameters)


def query(promql: str) -> str:
    return prometheus("query", query=promql)


def samples(*values: float, **labels: str) -> Any:
    return {"data": {"resultType": "vector", "result": [{"metric": labels, "value": [0, str(v)]} for v in values]}}


TARGETS = prometheus("targets", state="active")
RULES = prometheus("rules")
STATUS = behind_service("monitoring", ALERTMANAGER, "api/v2/status")
WATCHDOG = behind_service(
    "monitoring",
    ALERTMANAGER,
    "api/v2/alerts",
    {"filter": 'alertname="Watchdog"', "silenced": "false", "inhibited": "false"},
)
LOKI = behind_service("monitoring", "http://loki.monitoring.svc:3100", "loki/api/v1/labels")
HEALTH = behind_service("monitoring", GRAFANA, "api/health")
HASHES = query('count_values("hash", alertmanager_config_hash)')
RELOADS = query("alertmanager_config_last_reload_successful == 0 or prometheus_config_last_reload_successful == 0")
SENT = query('sum(increase(alertmanager_notifications_total{integration="webhook"}[5m])) > 0')
FAILED = query('sum(increase(alertmanager_notifications_failed_total{integration="webhook"}[5m])) > 0')
BOARDS = query("max(grafana_stat_totals_dashboard)")
SOURCES = query("sum by (plugin_id) (grafana_stat_totals_datasource) > 0")
SECRET = f"{NS}/secrets/alertmanager-configuration"


@cache
def dev() -> Program:
    return evaluate("dev")


@cache
def expected() -> Expected:
    return expectations("dev")


def healthy() -> Answers:
    """What a cluster answers on which the dev stack works; what the program deploys is what the program deploys."""
    secret = dev().one("kubernetes:core/v1:Secret", "alertmanager-configuration").inputs["stringData"]
    definition = {"status": {"conditions": [{"type": "Established", "status": "True"}]}}
    return {
        "/version": {"major": "1", "minor": "35"},
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions": {
            "items": [{"metadata": {"name": f"{name}.monitoring.coreos.com"}, **definition} for name in DEFINITIONS]
        },
        f"{OPERATOR}/namespaces/monitoring/prometheuses": {"items": [operated()]},
        f"{OPERATOR}/namespaces/monitoring/alertmanagers": {"items": [operated()]},
        f"{OPERATOR}/prometheusrules": {"items": rule_objects()},
        f"{APPS}/deployments": {"items": [deployment(name) for name in sorted(expected().releases)]},
        f"{APPS}/statefulsets": {"items": [stateful_set("prometheus-kube-prometheus-stack-prometheus")]},
        f"{APPS}/daemonsets": {"items": [daemon_set("log-agent-agent")]},
        f"{NS}/pods": {"items": [pod("loki-0")]},
        f"{NS}/configmaps?labelSelector=grafana_dashboard%3D1": {"items": config_maps("grafana_dashboard")},
        f"{NS}/configmaps?labelSelector=grafana_datasource%3D1": {"items": config_maps("grafana_datasource")},
        SECRET: {"data": {key: base64.b64encode(text.encode()).decode() for key, text in secret.items()}},
        TARGETS: {"data": {"activeTargets": active_targets()}},
        RULES: {"data": {"groups": [loaded(group) for item in rule_objects() for group in item["spec"]["groups"]]}},
        STATUS: {"config": {"original": secret["alertmanager.yaml"]}, "cluster": {"status": "ready"}},
        WATCHDOG: [{"labels": {"alertname": "Watchdog"}, "receivers": [{"name": "heartbeat"}]}],
        HASHES: samples(1, hash="281253841522269"),
        RELOADS: samples(),
        SENT: samples(5),
        FAILED: samples(),
        LOKI: {"status": "success", "data": ["service_name"]},
        HEALTH: {"database": "ok", "version": "13.2.0"},
        BOARDS: samples(33),
        SOURCES: {"data": {"result": [{"metric": {"plugin_id": kind}, "value": [0, "1"]} for kind in sources()]}},
    }


def sources() -> list[str]:
    return ["alertmanager", "loki", "prometheus", "tempo"]


def operated() -> Any:
    conditions = [{"type": type_, "status": "True", "observedGeneration": 3} for type_ in ("Available", "Reconciled")]
    return {
        "metadata": {"name": "kube-prometheus-stack", "generation": 3},
        "status": {"conditions": conditions},
    }


def rule_objects() -> list[Any]:
    return [r.inputs for r in dev() if r.inputs.get("kind") == "PrometheusRule"]


def loaded(group: dict[str, Any]) -> Any:
    rules = [{"name": rule.get("alert") or rule["record"], "health": "ok", "type": "x"} for rule in group["rules"]]
    return {"name": group["name"], "file": "/etc/prometheus/rules/x.yaml", "interval": 15, "rules": rules}


def config_maps(label: str) -> list[Any]:
    maps = dev().of("kubernetes:core/v1:ConfigMap")
    return [found.inputs for found in maps if found.inputs["metadata"].get("labels", {}).get(label) == "1"]


def metadata(name: str) -> Any:
    return {"name": name, "generation": 2, "annotations": {"meta.helm.sh/release-name": name}}


def deployment(name: str) -> Any:
    status = {"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1}
    return {"metadata": metadata(name), "spec": {"replicas": 1}, "status": status}


stateful_set = deployment


def daemon_set(name: str) -> Any:
    status = {
        "observedGeneration": 2,
        "desiredNumberScheduled": 3,
        "updatedNumberScheduled": 3,
        "numberReady": 3,
    }
    return {"metadata": metadata(name), "spec": {}, "status": status}


def pod(name: str) -> Any:
    return {
        "metadata": {"name": name},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "PodScheduled", "status": "True"}],
            "containerStatuses": [{"name": "main", "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}],
        },
    }


def active_targets() -> list[Any]:
    services = expected().catalogue.services
    labels = [{"job": job} for job in sorted(expected().jobs)]
    labels += [{"job": service.name, "service": service.name} for service in services if service.prefix]
    labels += [{"job": "service-probes", "service": service.name} for service in services]
    return [
        {"labels": each, "scrapeUrl": "http://10.0.0.1/metrics", "health": "up", "lastError": ""} for each in labels
    ]


def found(name: str, answers: Answers, stack: Expected | None = None) -> list[Finding]:
    (check,) = [check for check in CHECKS if check.name == name]
    return check.run(FakeCluster(answers), stack or expected())


# Each check


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_a_stack_that_works_has_no_findings(check: Check) -> None:
    assert check.run(FakeCluster(healthy()), expected()) == []


def test_what_must_be_there_is_what_the_program_deploys() -> None:
    of_the_chart = KeyList.of(PROMETHEUS_OPERATOR_CRDS).below("enabled")
    assert set(DEFINITIONS) == {definition for _, definition, _ in of_the_chart}
    releases = {release.inputs["name"] for release in dev().of("kubernetes:helm.sh/v3:Release")}
    assert expected().releases == releases - {"prometheus-operator-crds"}
    assert expectations("prod").releases == expected().releases | {"cloudwatch-exporter"}
    assert expected().data_sources == set(sources())


def test_lokis_job_is_that_of_a_part_that_always_runs() -> None:
    settings = parse(json.loads(configuration("prod", {"logs": {"mode": "distributed"}}, {})[KEY]))
    assert "monitoring/loki" in expected().jobs
    assert "monitoring/loki-distributor" in jobs(settings)


Defect = Callable[[Answers], None]


def drop(path: str, index: int = 0) -> Defect:
    """One object fewer in a list of the API."""
    return lambda answers: answers[path]["items"].pop(index)


def put(path: str, *keys: str | int, value: Any) -> Defect:
    """Another value somewhere in an answer."""

    def change(answers: Answers) -> None:
        inner = answers[path]
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = value

    return change


def without_target(**labels: str) -> Defect:
    def change(answers: Answers) -> None:
        data = answers[TARGETS]["data"]
        data["activeTargets"] = [
            target for target in data["activeTargets"] if not labels.items() <= target["labels"].items()
        ]

    return change


CONDITIONS = ("items", 0, "status", "conditions")
BROKEN_CONFIGURATION = {"type": "Reconciled", "status": "False", "message": 'undefined receiver "nul" used in route'}

DEFECTS: list[tuple[str, str, Defect, str]] = [
    (
        "definitions",
        "one is missing",
        drop("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", 3),
        "probes.monitoring.coreos.com is not served",
    ),
    (
        "conditions",
        "a refused configuration",
        put(f"{OPERATOR}/namespaces/monitoring/alertmanagers", *CONDITIONS, 1, value=BROKEN_CONFIGURATION),
        'alertmanagers/kube-prometheus-stack is not Reconciled (False): undefined receiver "nul"',
    ),
    (
        "conditions",
        "an operator that does not run",
        put(f"{OPERATOR}/namespaces/monitoring/prometheuses", "items", 0, "status", value={}),
        "prometheuses/kube-prometheus-stack is not Available (missing: the operator has not seen the object)",
    ),
    (
        "conditions",
        "an older version",
        put(f"{OPERATOR}/namespaces/monitoring/prometheuses", "items", 0, "metadata", "generation", value=4),
        "prometheuses/kube-prometheus-stack is Reconciled, but an older version of it",
    ),
    (
        "conditions",
        "no Prometheus",
        drop(f"{OPERATOR}/namespaces/monitoring/prometheuses"),
        "there are no prometheuses",
    ),
    ("workloads", "a release is missing", drop(f"{APPS}/deployments"), "the release blackbox-exporter has no workload"),
    (
        "workloads",
        "a pod is not ready",
        put(f"{APPS}/statefulsets", "items", 0, "status", "readyReplicas", value=0),
        "statefulsets/prometheus-kube-prometheus-stack-prometheus: 0 of 1 pods are ready",
    ),
    (
        "workloads",
        "a node without agent",
        put(f"{APPS}/daemonsets", "items", 0, "status", "numberReady", value=2),
        "daemonsets/log-agent-agent: 2 of 3 pods are ready",
    ),
    (
        "workloads",
        "an unseen change",
        put(f"{APPS}/deployments", "items", 0, "metadata", "generation", value=9),
        "deployments/blackbox-exporter",
    ),
    (
        "pods",
        "no image",
        put(
            f"{NS}/pods",
            *("items", 0, "status", "containerStatuses", 0, "state"),
            value={"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}},
        ),
        "pod loki-0, container main: ImagePullBackOff: no such image",
    ),
    (
        "pods",
        "no node",
        put(
            f"{NS}/pods",
            *("items", 0, "status", "conditions"),
            value=[{"type": "PodScheduled", "status": "False", "message": "Insufficient memory"}],
        ),
        "pod loki-0 has no node: Insufficient memory",
    ),
    (
        "targets",
        "one is down",
        put(
            TARGETS,
            *("data", "activeTargets", 0),
            value={
                "labels": {"job": "blackbox-exporter"},
                "scrapeUrl": "http://10.0.0.1:9115/metrics",
                "health": "down",
                "lastError": "connection refused",
            },
        ),
        "blackbox-exporter: http://10.0.0.1:9115/metrics is down: connection refused",
    ),
    ("targets", "a job has none", without_target(job="kubelet"), "nothing is scraped for the job kubelet"),
    ("services", "not scraped", without_target(job="order-service"), "order-service is not scraped"),
    (
        "services",
        "not probed",
        without_target(job="service-probes", service="insights-service"),
        "insights-service is not probed",
    ),
    ("rules", "not loaded", lambda answers: answers[RULES]["data"]["groups"].pop(), "is not loaded"),
    (
        "rules",
        "an old group still runs",
        lambda answers: answers[RULES]["data"]["groups"].append({"name": "old", "rules": []}),
        "the rule group old runs, but no object has it now",
    ),
    (
        "rules",
        "another rule in a group",
        put(RULES, *("data", "groups", 0, "rules", 0, "name"), value="Renamed"),
        "is not loaded",
    ),
    (
        "rules",
        "one cannot be evaluated",
        lambda answers: answers[RULES]["data"]["groups"][0]["rules"][0].update(
            health="err", lastError="found duplicate series"
        ),
        "fails: found duplicate series",
    ),
    (
        "rules",
        "one was not evaluated yet",
        put(RULES, *("data", "groups", 0, "rules", 0, "health"), value="unknown"),
        "has not been evaluated yet",
    ),
    (
        "configuration",
        "the old one runs",
        put(STATUS, "config", "original", value="route: {receiver: old}\nreceivers: [{name: old}]\n"),
        "Alertmanager does not run what was deployed: route.receiver",
    ),
    ("configuration", "two run", put(HASHES, "data", value=samples(1, 2)["data"]), "2 different configurations, not 1"),
    (
        "configuration",
        "a refused reload",
        put(RELOADS, "data", value=samples(0, pod="alertmanager-0")["data"]),
        "alertmanager-0 refused its last configuration",
    ),
    ("heartbeat", "no alert", lambda answers: answers[WATCHDOG].clear(), "Alertmanager has no firing Watchdog"),
    ("heartbeat", "not sent", put(SENT, "data", value=samples()["data"]), "no heartbeat was sent"),
    (
        "heartbeat",
        "not received",
        put(FAILED, "data", value=samples(4.2)["data"]),
        "about 4 heartbeats of the last 5 minutes did not arrive",
    ),
    (
        "loki",
        "it does not answer",
        lambda answers: answers[LOKI].update(status="error"),
        "Loki does not answer",
    ),
    (
        "dashboards",
        "one is not deployed",
        drop(f"{NS}/configmaps?labelSelector=grafana_dashboard%3D1"),
        "no ConfigMap labelled grafana_dashboard has the dashboard business-operations",
    ),
    ("dashboards", "a lost database", put(HEALTH, "database", value="failing"), "Grafana's database is 'failing'"),
    ("dashboards", "fewer than given", put(BOARDS, "data", value=samples(2)["data"]), "Grafana counts 2 dashboards"),
    ("dashboards", "not counted yet", put(BOARDS, "data", value=samples()["data"]), "Grafana counts 0 dashboards"),
    (
        "data sources",
        "they are not deployed",
        drop(f"{NS}/configmaps?labelSelector=grafana_datasource%3D1"),
        "no ConfigMap labelled grafana_datasource has the data source alertmanager",
    ),
    (
        "data sources",
        "one is not loaded",
        lambda answers: answers[SOURCES]["data"]["result"].pop(1),
        "Grafana counts no data source of type loki",
    ),
]


@pytest.mark.parametrize(("check", "defect", "change", "said"), DEFECTS, ids=[f"{c}: {d}" for c, d, _, _ in DEFECTS])
def test_each_defect_is_found_and_named(check: str, defect: str, change: Defect, said: str) -> None:
    answers = copy.deepcopy(healthy())
    change(answers)
    findings = found(check, answers)
    assert any(said in finding.what for finding in findings), f"{defect}: {findings}"
    assert all(finding.do for finding in findings)


def test_a_container_that_starts_is_no_finding() -> None:
    answers = healthy()
    state = {"waiting": {"reason": "ContainerCreating"}}
    put(f"{NS}/pods", "items", 0, "status", "containerStatuses", 0, "state", value=state)(answers)
    assert found("pods", answers) == []


def test_a_pod_that_has_finished_is_no_finding() -> None:
    answers = healthy()
    conditions = [{"type": "PodScheduled", "status": "False"}]
    put(f"{NS}/pods", "items", 0, "status", value={"phase": "Succeeded", "conditions": conditions})(answers)
    assert found("pods", answers) == []


def test_the_heartbeat_may_be_missing_only_where_channels_may_be_left_out() -> None:
    answers = healthy()
    put(WATCHDOG, 0, "receivers", value=[{"name": "nobody"}])(answers)
    assert found("heartbeat", answers) == []
    assert "not routed to the heartbeat" in found("heartbeat", answers, expectations("prod"))[0].what


def test_another_namespace_is_asked_where_the_stack_is_in_one() -> None:
    with pytest.raises(ClusterError, match="namespaces/elsewhere/"):
        found("workloads", healthy(), expectations("dev", "elsewhere"))


# The configuration that runs


@pytest.mark.parametrize(
    ("deployed", "running"),
    [
        ("route: {group_wait: 90m}", "route: {group_wait: 1h30m, continue: false}"),
        ("m: {matchers: [b = x, 'a=~\"y|z\"']}", "m: {matchers: ['a=~\"y|z\"', 'b=\"x\"']}"),
        ("global: {}\nroutes: []", "{}"),
        ("url: http://a", "url: <secret>"),
        ("days: ['25']", "days: ['25']"),
        ("send_resolved: false", "send_resolved: false"),
    ],
)
def test_another_spelling_of_the_same_is_no_difference(deployed: str, running: str) -> None:
    assert list(differences(yaml.safe_load(deployed), yaml.safe_load(running))) == []


@pytest.mark.parametrize(
    ("deployed", "running", "where"),
    [
        ("route: {group_wait: 5m}", "route: {group_wait: 5s}", "route.group_wait: '5m' was deployed, '5s' runs"),
        ("m: {matchers: ['a=\"x\"']}", "m: {matchers: ['a!=\"x\"']}", "m.matchers[0]:"),
        ("routes: [{a: 1}, {a: 2}]", "routes: [{a: 1}]", "routes: 2 were deployed, 1 run"),
        ("receivers: [{name: a}]", "{}", "receivers: 1 were deployed, 0 run"),
        ("send_resolved: false", "send_resolved: true", "send_resolved: False was deployed, True runs"),
        ("global: {smtp: x}", "{}", "global.smtp: 'x' was deployed, None runs"),
    ],
)
def test_a_difference_is_named_with_its_place(deployed: str, running: str, where: str) -> None:
    (text,) = differences(yaml.safe_load(deployed), yaml.safe_load(running))
    assert text.startswith(where)


# The command


class FakeClock:
    """Time that passes only while the command sleeps."""

    def __init__(self, at_pause: Callable[[], None] = lambda: None) -> None:
        self.time = 0.0
        self.at_pause = at_pause

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        self.at_pause()


def test_what_holds_at_last_is_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    answers = healthy()
    watchdog = answers[WATCHDOG]
    answers[WATCHDOG] = []
    clock = FakeClock(at_pause=lambda: answers.update({WATCHDOG: watchdog}))
    assert command.verify(FakeCluster(answers), expected(), 60, clock=clock) == command.WORKS
    said = capsys.readouterr().out
    assert "waiting for heartbeat (1); 60 s left" in said
    assert "Everything holds." in said
    assert "Not shown: that people are reached" in said


def test_what_does_not_hold_in_time_is_said_with_its_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    answers = healthy()
    without_target(job="order-service")(answers)
    del answers[HEALTH]
    clock = FakeClock()
    assert command.verify(FakeCluster(answers), expected(), 60, clock=clock) == command.BROKEN
    assert clock.time == 60
    said = capsys.readouterr().out
    assert "order-service is not scraped\n        -> deploy it in namespace order-processor" in said
    assert f"it could not be checked: GET {HEALTH}: not found" in said
    assert "2 findings." in said
    assert "ok  rules: " in said
    assert "ok  services: " not in said


def test_an_answer_of_an_unknown_form_is_a_finding(capsys: pytest.CaptureFixture[str]) -> None:
    answers = healthy()
    answers[RULES] = {"data": {"groups": None}}
    assert command.verify(FakeCluster(answers), expected(), 0, clock=FakeClock()) == command.BROKEN
    assert "an answer has an unknown form" in capsys.readouterr().out


def test_a_cluster_that_cannot_be_read_is_no_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.verify(FakeCluster({}), expected(), 60, clock=FakeClock()) == command.UNKNOWN
    assert "The cluster cannot be read: GET /version" in capsys.readouterr().err


def run(*arguments: str) -> Any:
    return CliRunner().invoke(command.main, list(arguments))


@pytest.mark.parametrize("context", [[], ["--context", ""]])
def test_the_context_is_never_guessed(context: list[str]) -> None:
    result = run("--stack", "dev", *context)
    assert result.exit_code == 2
    assert "--context" in result.output


def test_an_unknown_stack_is_refused_with_those_there_are() -> None:
    result = run("--stack", "staging", "--context", "x")
    assert result.exit_code == 2
    assert "Pulumi.staging.yaml: no such file; the stacks are: dev, prod" in result.output


def test_the_exit_code_is_the_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = healthy()
    monkeypatch.setattr(command, "Kubectl", lambda _: FakeCluster(answers))
    assert run("--stack", "dev", "--context", "x", "--timeout", "0").exit_code == 0
    without_target(job="kubelet")(answers)
    assert run("--stack", "dev", "--context", "x", "--timeout", "0").exit_code == 1


def test_an_interrupt_ends_it_cleanly(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: str) -> FakeCluster:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "Kubectl", interrupt)
    result = run("--stack", "dev", "--context", "x")
    assert result.exit_code == command.INTERRUPTED
    assert "the cluster was only read" in result.output


# kubectl


def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Kubectl:
    """A cluster whose kubectl is this shell script; it notes its arguments."""
    program = tmp_path / "kubectl"
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/arguments\n{script}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    return Kubectl("kind-dev")


def test_kubectl_is_asked_for_the_context_and_only_to_get(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = kubectl(tmp_path, monkeypatch, f"echo '{json.dumps({'major': '1'})}'")
    assert cluster.get("/version") == {"major": "1"}
    assert (tmp_path / "arguments").read_text() == "--context kind-dev get --raw /version\n"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'Error from server (NotFound): no such thing' >&2; exit 1", r"GET /x: Error from server \(NotFound\)"),
        ("echo '<html>'", "GET /x: the answer is not JSON: '<html>"),
    ],
)
def test_what_kubectl_says_is_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    with pytest.raises(ClusterError, match=said):
        kubectl(tmp_path, monkeypatch, script).get("/x")


def test_a_missing_kubectl_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ClusterError, match="kubectl is not on PATH"):
        Kubectl("kind-dev").get("/version")


def test_a_service_is_reached_through_the_api_server() -> None:
    path = behind_service("monitoring", "http://loki.elsewhere.svc:3100", "loki/api/v1/query", {"query": '{a="b"}'})
    assert path == f"{NS}/services/loki:3100/proxy/loki/api/v1/query?query=%7Ba%3D%22b%22%7D"


def test_a_stack_without_a_context_is_not_deployed_anywhere() -> None:
    refused = CliRunner().invoke(context_command, ["dev"])
    assert refused.exit_code == 1
    assert "names no Kubernetes context" in refused.output
    assert "order-processor-monitoring:stack.kubeContext' NAME" in refused.output
