"""The checks of a deployed stack: silent where all is well, and each defect is found, named and given its remedy."""

from __future__ import annotations

import copy
import dataclasses
import json

import pytest
import yaml

from checks.chart_keys import KeyList
from checks.program import document
from components.charts import PROMETHEUS_OPERATOR_CRDS
from settings import parse
from tests.unit.fake_cluster import (
    ALERTMANAGERS,
    ALL_RULE_OBJECTS,
    BOARDS,
    CONFIG_MAPS,
    CUSTOM,
    DAEMON_SETS,
    DEPLOYMENTS,
    FAILED,
    HASHES,
    HEALTH,
    LOKI,
    OPERATOR,
    PODS,
    PROMETHEUSES,
    REFUSED,
    RELOADS,
    RULE_OBJECTS,
    RULES,
    SECRETS,
    SENT,
    SOURCES,
    STACK,
    STATEFUL_SETS,
    STATUS,
    TARGETS,
    WATCHDOG,
    Answers,
    Defect,
    FakeCluster,
    answer,
    edit,
    expected,
    healthy,
    item,
    left,
    put,
    remove,
    samples,
    scaled,
    sources,
    without_target,
)
from verify.checks import CHECKS, Check
from verify.cluster import ForbiddenError, NotServedError, Snapshot
from verify.configuration import differences
from verify.expectations import Expected, jobs
from verify.finding import Finding
from verify.kubernetes import DEFINITIONS, MONITORING_API
from verify.objects import listing, plural
from verify.releases import RECORDS

MONITORS, PROBES, POLICIES, QUOTAS = (
    listing(version, kind, "monitoring")
    for version, kind in (
        (CUSTOM, "ServiceMonitor"),
        (CUSTOM, "Probe"),
        ("networking.k8s.io/v1", "NetworkPolicy"),
        ("v1", "ResourceQuota"),
    )
)
RESTORE = "pulumi up --refresh --stack dev; without --refresh Pulumi believes that all is there"
FORCE = (
    "PULUMI_K8S_ENABLE_PATCH_FORCE=true pulumi up --refresh --stack dev; "
    "by force, as a field that was edited by hand belongs to whoever did it"
)
UPDATE = (
    "pulumi up --stack dev; if it changes nothing, the release was changed by Helm behind its back: "
    "helm history loki, then helm rollback loki to the revision before"
)
NOT_PULUMI = "; pulumi does not look into a release, neither up nor refresh does it"
CHART_REMEDY = f"helm rollback {STACK} 1 makes it again; Pulumi does not look into a release"
OPERATORS_LOG = f"; kubectl logs deployment/{OPERATOR} says more"


def found(name: str, answers: Answers, stack: Expected | None = None) -> list[Finding]:
    (check,) = [check for check in CHECKS if check.name == name]
    return check.run(FakeCluster(answers), stack or expected())


@pytest.mark.parametrize("stack", ["dev", "prod"])
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_a_stack_that_works_has_no_findings(check: Check, stack: str) -> None:
    wanted = expected(stack)
    assert check.run(FakeCluster(healthy(stack)), wanted) == []


def test_a_round_of_all_checks_asks_for_each_thing_once() -> None:
    cluster = FakeCluster(healthy())
    now = Snapshot(cluster)
    for check in CHECKS:
        check.run(now, expected())
    assert len(cluster.asked) == len(set(cluster.asked))
    kinds = {each.kind for each in expected().objects}
    assert len([path for path in cluster.asked if path.startswith("/")]) < len(kinds) + 14


def test_what_must_be_there_is_what_the_program_deploys() -> None:
    of_the_chart = KeyList.of(PROMETHEUS_OPERATOR_CRDS).below("enabled")
    assert {name for names in DEFINITIONS.values() for name in names} == {name for _, name, _ in of_the_chart}
    assert {each.kind for each in expected("prod").objects} >= {
        *("ConfigMap", "LimitRange", "Namespace", "NetworkPolicy", "Probe", "PrometheusRule"),
        *("PriorityClass", "ResourceQuota", "Secret", "ServiceMonitor", "StorageClass"),
    }
    assert {release.name for release in expected("prod").releases} - {
        release.name for release in expected().releases
    } == {"cloudwatch-exporter"}
    assert expected().data_sources == set(sources())
    assert (expected().heartbeat, expected("prod").heartbeat) == (
        False,
        True,
    )  # dev has no secret here, prod does not do without


def test_kinds_have_the_plurals_that_the_api_server_knows() -> None:
    kinds = {each.kind for stack in (expected(), expected("prod")) for each in stack.objects} | {
        "Prometheus",
        "StatefulSet",
    }
    assert {plural(kind) for kind in kinds} == {
        *("configmaps", "jobs", "limitranges", "namespaces", "networkpolicies", "persistentvolumes", "probes"),
        *("prometheuses", "prometheusrules", "resourcequotas", "secrets", "servicemonitors", "statefulsets"),
        *(
            "deployments",
            "poddisruptionbudgets",
            "priorityclasses",
            "rolebindings",
            "roles",
            "services",
            "storageclasses",
        ),
    }


def test_lokis_job_is_that_of_a_part_that_always_runs() -> None:
    settings = parse(document("prod", {"logs": {"mode": "distributed"}}))
    assert "monitoring/loki" in expected().jobs
    assert "monitoring/loki-distributor" in jobs(settings)


CONDITIONS = ("status", "conditions")
FIRST_RULE = ("spec", "groups", 0, "rules", 0)


def not_reconciled(message: str) -> dict[str, str]:
    return {"type": "Reconciled", "status": "False", "message": message}


def broken_secret() -> Defect:
    return edit(SECRETS, "alertmanager-configuration", "data", "alertmanager.yaml", value="cm91dGU6IHt9")


DEFECTS: list[tuple[str, Defect, str, str]] = [
    # The operator's definitions
    (
        "definitions",
        lambda answers: answers[MONITORING_API]["resources"].pop(2),
        "the resource definition probes.monitoring.coreos.com is not served",
        f"{RESTORE}; if it changes nothing, helm rollback prometheus-operator-crds 1",
    ),
    (
        "objects",
        answer(PROBES, NotServedError()),
        "the API server does not know the kind Probe; missing are: gateway, ",
        "bring back the operator's resource definitions, as the check of the definitions says",
    ),
    # Helm's releases
    (
        "releases",
        left("loki", "pending-upgrade", 4),
        "the Helm release loki was left pending-upgrade in its revision 4",
        "unless a pulumi up is at work: kubectl delete secret sh.helm.release.v1.loki.v4, "
        "then pulumi up --refresh --stack dev; if that says that the stack is locked, pulumi cancel first",
    ),
    (
        "releases",
        left("loki", "failed", 10),
        "the Helm release loki has failed in its revision 10",
        "pulumi up --refresh --stack dev tries again and says why; helm history loki shows the past",
    ),
    (
        "releases",
        remove(RECORDS, "sh.helm.release.v1.loki.v1"),
        "the Helm release loki is not installed",
        RESTORE,
    ),
    # What is scaled
    (
        "scale",
        scaled(DEPLOYMENTS, OPERATOR, 0),
        f"deployment/{OPERATOR} is scaled to 0, not 1: nothing follows what is deployed any more, "
        "no rule, monitor or route",
        f"kubectl scale deployment/{OPERATOR} --replicas=1{NOT_PULUMI}",
    ),
    (
        "scale",
        scaled(STATEFUL_SETS, "loki", 0),
        "statefulset/loki is scaled to 0, not 1",
        f"kubectl scale statefulset/loki --replicas=1{NOT_PULUMI}",
    ),
    (
        "scale",
        scaled(DEPLOYMENTS, f"{STACK}-grafana", 0),
        f"deployment/{STACK}-grafana is scaled to 0, not 1",
        f"kubectl scale deployment/{STACK}-grafana --replicas=1{NOT_PULUMI}",
    ),
    (
        "scale",
        edit(PROMETHEUSES, f"{STACK}-prometheus", "spec", "replicas", value=0),
        f"prometheus/{STACK}-prometheus is scaled to 0, not 2",
        f'kubectl patch prometheus/{STACK}-prometheus --type merge --patch \'{{"spec":{{"replicas":2}}}}\'{NOT_PULUMI}',
    ),
    (
        "scale",
        scaled(STATEFUL_SETS, f"prometheus-{STACK}-prometheus", 0),
        f"statefulset/prometheus-{STACK}-prometheus is scaled to 0, not 2",
        f"kubectl scale statefulset/prometheus-{STACK}-prometheus --replicas=2{NOT_PULUMI}",
    ),
    (
        "scale",
        edit(DAEMON_SETS, "log-agent-agent", "status", "desiredNumberScheduled", value=0),
        "daemonset/log-agent-agent runs on no node",
        "do its nodeSelector and tolerations admit one?; helm rollback log-agent 1 undoes what was changed by hand",
    ),
    # What the charts made
    (
        "charts",
        remove(MONITORS, f"{STACK}-operator"),
        f"servicemonitor/{STACK}-operator, which the release {STACK} made, is missing",
        CHART_REMEDY,
    ),
    (
        "charts",
        remove(RULE_OBJECTS, f"{STACK}-general.rules"),
        f"prometheusrule/{STACK}-general.rules, which the release {STACK} made, is missing",
        CHART_REMEDY,
    ),
    (
        "charts",
        remove(STATEFUL_SETS, "loki"),
        "statefulset/loki, which the release loki made, is missing",
        "helm rollback loki 1 makes it again; Pulumi does not look into a release",
    ),
    # What the program deploys: deleted
    *(
        ("objects", remove(path, name), f"{kind}/{name} is missing", RESTORE)
        for path, kind, name in (
            (RULE_OBJECTS, "prometheusrule", "order-processor-services"),
            (MONITORS, "servicemonitor", "order-service"),
            (PROBES, "probe", "gateway"),
            (CONFIG_MAPS, "configmap", "dashboard-system-health"),
            (CONFIG_MAPS, "configmap", "grafana-datasources"),
            (POLICIES, "networkpolicy", "prometheus"),
            (QUOTAS, "resourcequota", "bounds"),
            (SECRETS, "secret", "alertmanager-credentials"),
            (SECRETS, "secret", "alertmanager-configuration"),
        )
    ),
    # … and edited
    (
        "objects",
        edit(MONITORS, "order-service", "spec", "endpoints", 0, "interval", value="5m"),
        "servicemonitor/order-service is not what the program deploys: "
        "spec.endpoints[0].interval should be '30s' and is '5m'",
        FORCE,
    ),
    (
        "objects",
        edit(RULE_OBJECTS, "order-processor-services", *FIRST_RULE, "expr", value="vector(0)"),
        "prometheusrule/order-processor-services is not what the program deploys: spec.groups[0].rules[0].expr",
        FORCE,
    ),
    (
        "objects",
        lambda answers: item(answers, RULE_OBJECTS, "order-processor-services")["spec"]["groups"].pop(),
        "prometheusrule/order-processor-services is not what the program deploys: the length of spec.groups",
        FORCE,
    ),
    (
        "objects",
        broken_secret(),
        "secret/alertmanager-configuration is not what the program deploys: stringData.alertmanager.yaml",
        FORCE,
    ),
    (
        "objects",
        edit(POLICIES, "prometheus", "spec", "podSelector", value={}),
        "networkpolicy/prometheus is not what the program deploys: spec.podSelector.matchLabels.app.kubernetes.io",
        FORCE,
    ),
    (
        "objects",
        edit(POLICIES, "alertmanager", "spec", "ingress", 0, "from", 0, "namespaceSelector", value={}),
        "networkpolicy/alertmanager says more than the program does: "
        "spec.ingress[0].from[0].namespaceSelector was added",
        "kubectl edit networkpolicy/alertmanager and take it out: Pulumi leaves alone what it has not said",
    ),
    (
        "objects",
        edit(MONITORS, "order-service", "spec", "selector", "matchLabels", "tier", value="web"),
        "servicemonitor/order-service says more than the program does: spec.selector.matchLabels.tier was added",
        "kubectl edit servicemonitor/order-service and take it out: Pulumi leaves alone what it has not said",
    ),
    # Pods
    (
        "workloads",
        edit(STATEFUL_SETS, f"prometheus-{STACK}-prometheus", "status", "readyReplicas", value=0),
        f"statefulset/prometheus-{STACK}-prometheus: 0 of 2 pods are ready, 2 are of the newest version",
        f"kubectl describe statefulset/prometheus-{STACK}-prometheus; the check of the pods names the cause",
    ),
    (
        "workloads",
        edit(DAEMON_SETS, "log-agent-agent", "status", "numberReady", value=2),
        "daemonset/log-agent-agent: 2 of 3 pods are ready",
        "kubectl describe daemonset/log-agent-agent; the check of the pods names the cause",
    ),
    (
        "workloads",
        edit(DEPLOYMENTS, "blackbox-exporter", "metadata", "generation", value=9),
        "deployment/blackbox-exporter: 1 of 1 pods are ready",
        "kubectl describe deployment/blackbox-exporter; the check of the pods names the cause",
    ),
    (
        "pods",
        edit(
            *(PODS, "loki-0", "status", "containerStatuses", 0, "state"),
            value={"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}},
        ),
        "pod loki-0, container main: ImagePullBackOff: no such image",
        "kubectl logs loki-0 --container main --previous",
    ),
    (
        "pods",
        edit(
            *(PODS, "loki-0", *CONDITIONS),
            value=[{"type": "PodScheduled", "status": "False", "message": "Insufficient memory"}],
        ),
        "pod loki-0 has no node: Insufficient memory",
        "add nodes, or lower the stack's workloads",
    ),
    # The operator
    (
        "conditions",
        edit(ALERTMANAGERS, f"{STACK}-alertmanager", *CONDITIONS, 1, value=not_reconciled('undefined receiver "nul"')),
        f'alertmanager/{STACK}-alertmanager is not Reconciled (False): undefined receiver "nul"',
        f"kubectl describe alertmanager/{STACK}-alertmanager{OPERATORS_LOG}",
    ),
    (
        "conditions",
        edit(PROMETHEUSES, f"{STACK}-prometheus", "status", value={}),
        f"prometheus/{STACK}-prometheus is not Available (missing: the operator has not seen the object)",
        f"kubectl describe prometheus/{STACK}-prometheus{OPERATORS_LOG}",
    ),
    (
        "conditions",
        edit(PROMETHEUSES, f"{STACK}-prometheus", "metadata", "generation", value=4),
        f"prometheus/{STACK}-prometheus is Reconciled, but an older version of it",
        f"kubectl describe prometheus/{STACK}-prometheus{OPERATORS_LOG}",
    ),
    (
        "conditions",
        remove(PROMETHEUSES, f"{STACK}-prometheus"),
        "there is no prometheus",
        "the check of the charts says how to bring it back",
    ),
    (
        "policies",
        answer(REFUSED, "# TYPE probe_success gauge\nprobe_success 1\n"),
        "the network policies are not enforced: the prober reaches Alertmanager",
        "EKS: set enableNetworkPolicy in the VPC CNI add-on's configuration; kind: 0.24 or newer; else install a "
        "network that enforces them, or accept it by access.enforced: false",
    ),
    # Prometheus
    (
        "targets",
        put(
            *(TARGETS, "data", "activeTargets", 0),
            value={
                "labels": {"job": "blackbox-exporter"},
                "scrapeUrl": "http://10.0.0.1:9115/metrics",
                "health": "down",
                "lastError": "connection refused",
            },
        ),
        "blackbox-exporter: http://10.0.0.1:9115/metrics is down: connection refused",
        "read that address in Prometheus' own pod, by kubectl exec and wget; a network policy may be in the way",
    ),
    (
        "targets",
        without_target(job="kubelet"),
        "nothing is scraped for the job kubelet",
        "do its workload, its Service and its ServiceMonitor stand above? else: kubectl get endpointslices, events",
    ),
    (
        "services",
        without_target(job="order-service"),
        "order-service is not scraped",
        "deploy it in namespace order-processor; its Service needs the labels app=order-processor and "
        "component=order-service, and a port named http",
    ),
    (
        "services",
        without_target(job="service-probes", service="insights-service"),
        "insights-service is not probed",
        "kubectl describe probe/insights-service; the operator's log says more",
    ),
    # Rules
    (
        "rules",
        put(RULES, "data", "groups", value=[]),
        "the rule group business is not loaded",
        "kubectl describe prometheus; the operator's log names the object it refuses",
    ),
    (
        "rules",
        lambda answers: answers[RULES]["data"]["groups"].append({"name": "old", "rules": []}),
        "the rule group old runs, but nothing has it now",
        "kubectl describe prometheus; the operator's log names the object it refuses",
    ),
    (
        "rules",
        put(RULES, *("data", "groups", 0, "rules", 0, "name"), value="Renamed"),
        "is not loaded",
        "kubectl describe prometheus; the operator's log names the object it refuses",
    ),
    (
        "rules",
        lambda answers: answers[RULES]["data"]["groups"][0]["rules"][0].update(health="err", lastError="duplicate"),
        "fails: duplicate",
        "correct its expression; two series match where one must",
    ),
    (
        "rules",
        put(RULES, *("data", "groups", 0, "rules", 0, "health"), value="unknown"),
        "has not been evaluated yet",
        "wait for its interval of 15 s",
    ),
    # Alertmanager
    (
        "configuration",
        put(STATUS, "config", "original", value="route: {receiver: old}\nreceivers: [{name: old}]\n"),
        "Alertmanager does not run what was deployed: route.receiver",
        "kubectl describe alertmanager: an undefined receiver or a refused key keeps the old configuration",
    ),
    (
        "configuration",
        put(HASHES, "data", value=samples(1, 2)["data"]),
        "the Alertmanagers run 2 different configurations, not 1",
        "kubectl describe alertmanager: an undefined receiver or a refused key keeps the old configuration",
    ),
    (
        "configuration",
        put(RELOADS, "data", value=samples(0, pod="alertmanager-0")["data"]),
        "alertmanager-0 refused its last configuration",
        "its log says why",
    ),
    (
        "heartbeat",
        lambda answers: answers[WATCHDOG].clear(),
        "Alertmanager has no firing Watchdog",
        "is it silenced? do Prometheus' rules and targets hold? it sends it",
    ),
    (
        "heartbeat",
        put(SENT, "data", value=samples()["data"]),
        "no heartbeat was sent in the last 5 minutes",
        "wait a minute or two; then see Alertmanager's log",
    ),
    (
        "heartbeat",
        put(FAILED, "data", value=samples(4.2)["data"]),
        "about 4 heartbeats of the last 5 minutes did not arrive",
        "is heartbeatUrl right, and may Alertmanager reach it? its log has the answer of the other side",
    ),
    # Loki and Grafana
    (
        "loki",
        lambda answers: answers[LOKI].update(status="error"),
        "Loki does not answer",
        "kubectl logs statefulset/loki",
    ),
    (
        "dashboards",
        put(HEALTH, "database", value="failing"),
        "Grafana's database is 'failing'",
        "see Grafana's log and its volume",
    ),
    (
        "dashboards",
        put(BOARDS, "data", value=samples(2)["data"]),
        "Grafana counts 2 dashboards and is given 6",
        "it counts now and then; if it stays, see the log of its container grafana-sc-dashboard",
    ),
    (
        "dashboards",
        put(BOARDS, "data", value=samples()["data"]),
        "Grafana counts 0 dashboards and is given 6",
        "it counts now and then; if it stays, see the log of its container grafana-sc-dashboard",
    ),
    (
        "data sources",
        lambda answers: answers[SOURCES]["data"]["result"].pop(1),
        "Grafana counts no data source of type loki",
        "it counts now and then; if it stays, see the log of its container grafana-sc-datasources",
    ),
    *(
        (
            "data sources",
            edit(CONFIG_MAPS, f"{STACK}-grafana-datasource", "data", value={"mine.yaml": text}),
            f"configmap/{STACK}-grafana-datasource, file mine.yaml, {problem}",
            "correct or delete it: Grafana does not start with a file that it cannot read",
        )
        for text, problem in (
            ("datasources: [", "is not YAML: while parsing"),
            ("- a", "has no list of data sources"),
            ("datasources: {a: b}", "has no list of data sources"),
            ("datasources: [prometheus]", "has no list of data sources"),
        )
    ),
]


@pytest.mark.parametrize(
    ("check", "defect", "what", "do"), DEFECTS, ids=[f"{check}: {what[:50]}" for check, _, what, _ in DEFECTS]
)
def test_each_defect_is_found_with_its_remedy(check: str, defect: Defect, what: str, do: str) -> None:
    answers = healthy()
    defect(answers)
    findings = found(check, answers)
    (finding,) = [finding for finding in findings if what in finding.what][:1] or findings
    assert what in finding.what
    assert finding.do == do
    assert not finding.unknown


def test_one_defect_is_one_finding() -> None:
    answers = healthy()
    remove(RULE_OBJECTS, "order-processor-services")(answers)
    edit(POLICIES, "prometheus", "spec", "ingress", 0, "ports", 0, "port", value=9091)(answers)
    assert [finding.what for finding in found("objects", answers)] == [
        "networkpolicy/prometheus is not what the program deploys: "
        "spec.ingress[0].ports[0].port should be 9090 and is 9091",
        "prometheusrule/order-processor-services is missing",
    ]


def test_rules_of_another_namespace_run_only_where_it_is_obeyed() -> None:
    answers = healthy()
    rules = {
        "metadata": {"name": "theirs", "namespace": "shop"},
        "spec": {"groups": [{"name": "of-shop", "rules": []}]},
    }
    answers[ALL_RULE_OBJECTS] = {"items": [*answers[ALL_RULE_OBJECTS]["items"], rules]}
    assert found("rules", answers) == []
    obeyed = dataclasses.replace(expected(), obeyed_namespaces=frozenset({"shop"}))
    assert [finding.what for finding in found("rules", answers, obeyed)] == ["the rule group of-shop is not loaded"]


def test_deleted_rules_are_missed_although_no_object_names_them() -> None:
    answers = healthy()
    gone = item(answers, RULE_OBJECTS, "order-processor-services")
    remove(RULE_OBJECTS, "order-processor-services")(answers)
    names = {group["name"] for group in gone["spec"]["groups"]}
    groups = answers[RULES]["data"]["groups"]
    answers[RULES]["data"]["groups"] = [group for group in groups if group["name"] not in names]
    findings = found("rules", answers)
    assert {finding.what for finding in findings} == {f"the rule group {name} is not loaded" for name in names}
    assert {finding.do for finding in findings} == {RESTORE}


def test_an_operator_that_is_scaled_to_0_is_said_first() -> None:
    answers = healthy()
    for path, name in ((DEPLOYMENTS, f"{STACK}-grafana"), (STATEFUL_SETS, "loki"), (DEPLOYMENTS, OPERATOR)):
        scaled(path, name, 0)(answers)
    assert f"/{OPERATOR} is scaled to 0" in found("scale", answers)[0].what
    names = [check.name for check in CHECKS]
    assert max(names.index(cause) for cause in ("definitions", "releases", "scale")) < names.index("conditions")


def test_a_workload_at_0_is_found_without_helms_record() -> None:
    answers = healthy()
    answers[RECORDS] = ForbiddenError("secrets is forbidden")
    scaled(STATEFUL_SETS, "loki", 0)(answers)
    assert [finding.do for finding in found("scale", answers)] == [
        f"kubectl scale statefulset/loki --replicas=1{NOT_PULUMI}"
    ]


def test_somebody_elses_workload_may_be_at_0() -> None:
    answers = healthy()
    foreign = copy.deepcopy(item(answers, DEPLOYMENTS, OPERATOR))
    foreign["metadata"] = {"name": "shell", "generation": 3}
    answers[DEPLOYMENTS]["items"].append(foreign)
    scaled(DEPLOYMENTS, "shell", 0)(answers)
    assert found("scale", answers) == []


def test_a_release_is_compared_with_the_chart_and_values_of_the_program() -> None:
    other = expected()
    (loki,) = (release for release in other.releases if release.name == "loki")
    values = json.loads(json.dumps(loki.values))
    values["loki"]["limits_config"]["retention_period"] = "24h"
    changed = type(loki)(name="loki", chart="loki-18.12.0", values=values)
    others = tuple(release for release in other.releases if release.name != "loki")
    stack = type(other)(**{**vars(other), "releases": (*others, changed)})
    assert found("releases", healthy(), stack) == [
        Finding("the Helm release loki is of the chart loki-18.11.0, not loki-18.12.0", UPDATE),
        Finding(
            "the Helm release loki has other values: "
            "values.loki.limits_config.retention_period should be '24h' and is '168h'",
            UPDATE,
        ),
    ]


@pytest.mark.parametrize("status", ["pending-install", "pending-rollback", "uninstalling", "unknown"])
def test_whatever_an_interrupted_run_leaves_is_found(status: str) -> None:
    answers = healthy()
    left("tempo", status, 2)(answers)
    (finding,) = found("releases", answers)
    assert finding.what == f"the Helm release tempo was left {status} in its revision 2"


def test_secrets_are_neither_compared_nor_shown() -> None:
    answers = healthy("prod")
    names = list(item(answers, SECRETS, "alertmanager-credentials")["data"])
    edit(SECRETS, "alertmanager-credentials", "data", names[0], value="YW5vdGhlcg==")(answers)
    assert found("objects", answers, expected("prod")) == []
    del item(answers, SECRETS, "alertmanager-credentials")["data"][names[0]]
    edit(SECRETS, "alertmanager-configuration", "data", "alertmanager.yaml", value="c2VjcmV0")(answers)
    findings = found("objects", answers, expected("prod"))
    assert {finding.what.partition(":")[2] for finding in findings} == {
        f" stringData.{names[0]}",
        " stringData.alertmanager.yaml",
    }


def test_a_kind_that_may_not_be_read_hides_no_other() -> None:
    answers = healthy()
    answers[POLICIES] = ForbiddenError("networkpolicies is forbidden")
    remove(PROBES, "gateway")(answers)
    unknown, missing = sorted(found("objects", answers), key=lambda finding: not finding.unknown)
    assert unknown == Finding(
        "it could not be checked: networkpolicies is forbidden", "ask with a user who may list that", unknown=True
    )
    assert missing.what == "probe/gateway is missing"


def test_a_container_that_starts_is_no_finding() -> None:
    answers = healthy()
    state = {"waiting": {"reason": "ContainerCreating"}}
    edit(PODS, "loki-0", "status", "containerStatuses", 0, "state", value=state)(answers)
    assert found("pods", answers) == []


def test_a_pod_that_has_finished_is_no_finding() -> None:
    answers = healthy()
    conditions = [{"type": "PodScheduled", "status": "False"}]
    edit(PODS, "loki-0", "status", value={"phase": "Succeeded", "conditions": conditions})(answers)
    assert found("pods", answers) == []


def test_the_heartbeat_may_be_missing_only_where_the_program_does_not_route_it() -> None:
    answers = healthy()
    put(WATCHDOG, 0, "receivers", value=[{"name": "nobody"}])(answers)
    assert found("heartbeat", answers) == []
    assert found("heartbeat", answers, expected("prod")) == [
        Finding("the Watchdog is not routed to the heartbeat", "pulumi up --stack prod")
    ]


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
