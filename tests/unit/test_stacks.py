"""What the program registers for each stack, under Pulumi's mocks: the decisions that matter, and why."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jmespath
import pulumi
import pytest
import yaml

import catalogue
from checks.program import SECRETS, Program, evaluate
from components import charts, cloudwatch, protection, storage
from components.grafana import role_of
from dashboards.infrastructure.aws import CLOUDWATCH_DELAY, CLOUDWATCH_PERIOD
from engine import chart_files
from facts import ROOT
from invalid import InvalidInputError
from settings import KEY, Charts, SignIn, parse
from tests.unit.registered import CLASS, CONFIG_MAP, PRIORITY, RELEASE, SECRET, VOLUME, custom, values
from tests.unit.test_settings import document


def test_every_part_of_the_design_is_in_both_stacks(dev: Program, prod: Program) -> None:
    both = {"prometheus-operator-crds", "kube-prometheus-stack", "blackbox-exporter"}
    both |= {"loki", "log-agent", "kubernetes-events", "tempo"}
    assert {item.name for item in dev.of(RELEASE)} == both
    assert {item.name for item in prod.of(RELEASE)} == both | {"cloudwatch-exporter"}
    for program in (dev, prod):
        monitored = {item.inputs["metadata"]["name"] for item in custom(program, "ServiceMonitor")}
        assert {"gateway", "order-service"} <= monitored
        assert {"dashboard-system-health", "dashboard-business-operations", "dashboard-infrastructure"} <= {
            item.name for item in program.of(CONFIG_MAP)
        }


def test_a_service_that_a_cluster_does_not_run_is_neither_watched_nor_missed(dev: Program, prod: Program) -> None:
    assert "insights-service" in {item.inputs["metadata"]["name"] for item in custom(dev, "Probe")}
    assert "insights-service" not in {item.inputs["metadata"]["name"] for item in custom(prod, "Probe")}


def test_a_service_that_a_cluster_runs_with_the_package_is_watched_as_such(dev: Program, changed: Program) -> None:
    assert "insights-service" not in {item.inputs["metadata"]["name"] for item in custom(dev, "ServiceMonitor")}
    monitors = {item.inputs["metadata"]["name"]: item.inputs["spec"] for item in custom(changed, "ServiceMonitor")}
    paths = {name: spec["endpoints"][0]["path"] for name, spec in monitors.items()}
    with_package = {"insights-service", "order-service"}
    known = catalogue.load(ROOT / "services.yaml").instrumented(with_package)
    assert paths == {service.name: service.metrics_path for service in known.measured}
    assert {paths[name] for name in with_package} == {"/metrics"}
    probes = {item.inputs["metadata"]["name"]: item.inputs["spec"] for item in custom(changed, "Probe")}
    ready = {name for name, spec in probes.items() if "/health/ready" in json.dumps(spec["targets"])}
    assert ready == {service.name for service in known.services if service.instrumented} >= with_package
    rules = json.dumps([item.inputs for item in custom(changed, "PrometheusRule")])
    assert "insights_requests_total" in rules
    assert "insights_requests_total" not in json.dumps([item.inputs for item in custom(dev, "PrometheusRule")])


def test_the_addresses_of_users_are_probed_where_a_stack_names_some(dev: Program, prod: Program) -> None:
    public = {item.inputs["metadata"]["name"]: item.inputs["spec"] for item in custom(prod, "Probe")}["public-probes"]
    assert public["targets"]["staticConfig"]["static"] == ["https://order-processor.example.com/health"]
    assert "public-probes" not in {item.inputs["metadata"]["name"] for item in custom(dev, "Probe")}
    rules = json.dumps([item.inputs for item in custom(prod, "PrometheusRule")])
    assert "insights-service" not in rules  # its ServiceDown would page for ever
    with pytest.raises(pulumi.RunError, match=r"'insight-service' is not in services\.yaml"):
        evaluate("prod", {"absentServices": ["insight-service"]})
    with pytest.raises(pulumi.RunError, match=r"retention\.logsByService: 'orders' is not in services\.yaml"):
        evaluate("prod", {"retention": {"logsByService": {"orders": "30d"}}})


@pytest.mark.parametrize(
    ("redis", "encrypted"),
    [({"address": "redis:6379"}, False), ({"address": "cache.example.com:6380", "tls": True}, True)],
)
def test_redis_is_probed_where_a_stack_says_where_it_is(redis: dict[str, Any], encrypted: bool) -> None:
    program = evaluate("dev", overrides={"redis": redis})
    (probe,) = (
        item.inputs["spec"] for item in custom(program, "Probe") if item.inputs["metadata"]["name"] == "redis-probe"
    )
    assert probe["targets"]["staticConfig"] == {"static": [redis["address"]]}
    module = values(program, "blackbox-exporter")["config"]["modules"][probe["module"]]
    assert (module["prober"], module["tcp"]["tls"]) == ("tcp", encrypted)
    assert "'job': 'redis-probe'" in str([item.inputs for item in custom(program, "PrometheusRule")])


def test_no_redis_is_probed_or_missed_without_its_address() -> None:
    program = evaluate("dev", overrides={"redis": None})
    assert "redis-probe" not in {item.inputs["metadata"]["name"] for item in custom(program, "Probe")}
    assert "redis" not in values(program, "blackbox-exporter")["config"]["modules"]
    assert "'job': 'redis-probe'" not in str([item.inputs for item in custom(program, "PrometheusRule")])


def test_nothing_is_registered_before_the_input_is_valid() -> None:
    with pytest.raises(pulumi.RunError) as error:
        evaluate("prod", secrets={}, overrides={"retention": {"metrics": "x"}})
    assert "nothing was deployed" in str(error.value)
    assert "retention.metrics: 'x'" in str(error.value)
    assert str(error.value).count("pulumi config set --stack prod --secret") == 4


def test_dev_previews_with_no_secret_set_and_says_what_is_missing() -> None:
    program = evaluate("dev", secrets={})
    assert program.outputs["channelsMissing"]
    assert program.outputs["grafanaSecret"] == "kube-prometheus-stack-grafana"


def test_metrics_and_logs_are_kept_and_scraped_as_the_settings_say(changed: Program) -> None:
    spec = values(changed, "kube-prometheus-stack")["prometheus"]["prometheusSpec"]
    assert (spec["retention"], spec["scrapeInterval"], spec["evaluationInterval"]) == ("30d", "20s", "20s")
    loki = values(changed, "loki")["loki"]
    assert loki["limits_config"]["retention_period"] == "72h"
    # Without these Loki never deletes anything, whatever the period.
    assert loki["compactor"]["retention_enabled"] is True
    assert loki["compactor"]["delete_request_store"] == "filesystem"
    assert {item.inputs["spec"]["endpoints"][0]["interval"] for item in custom(changed, "ServiceMonitor")} == {"60s"}
    sources = json.loads(changed.one(CONFIG_MAP, "grafana-datasources").inputs["data"]["datasources.yaml"])
    assert sources["datasources"][0]["jsonData"]["timeInterval"] == "60s"


def test_a_second_place_for_metrics_has_its_credential_its_rules_and_its_way_out(prod: Program) -> None:
    remote = {"url": "https://mimir.test:8443/api/v1/push", "tenant": "shop"}
    program = evaluate("dev", overrides={"metrics": {"remoteWrite": remote}})
    (queue,) = values(program, "kube-prometheus-stack")["prometheus"]["prometheusSpec"]["remoteWrite"]
    assert queue["authorization"]["credentials"] == {"name": "remote-write-credential", "key": "token"}
    assert queue["headers"] == {"X-Scope-OrgID": "shop"}
    secret = program.one(SECRET, "remote-write-credential")
    assert secret.inputs["stringData"] == {"token": SECRETS["remoteWriteCredential"]}
    assert SECRETS["remoteWriteCredential"] not in str([item.inputs for item in program if item is not secret])
    assert program.one(SECRET, "remote-write-credential").secrets
    (policy,) = [item for item in program if item.type.endswith(":NetworkPolicy") and item.name == "prometheus"]
    assert {"ports": [{"port": 8443, "protocol": "TCP"}]} in policy.inputs["spec"]["egress"]
    assert "rules-long-term" in {item.name for item in custom(program, "PrometheusRule")}
    assert "rules-long-term" not in {item.name for item in custom(prod, "PrometheusRule")}


SIGN_IN = {
    "name": "Example",
    "clientId": "monitoring",
    "authUrl": "https://login.test/authorize",
    "tokenUrl": "https://login.test:8443/token",
    "userUrl": "https://login.test/userinfo",
    "admins": ["platform"],
    "editors": ["on call", "/shop"],
}


def test_people_log_in_with_a_provider_and_its_secret_is_in_a_file() -> None:
    links = {"grafana": "https://grafana.test"}
    program = evaluate("dev", overrides={"grafana": {"signIn": SIGN_IN}, "links": links})
    grafana = values(program, "kube-prometheus-stack")["grafana"]
    (mount,) = grafana["extraSecretMounts"]
    secret = program.one(SECRET, mount["secretName"])
    (key,) = secret.inputs["stringData"]
    assert secret.inputs["stringData"] == {key: SECRETS["grafanaClientSecret"]}
    assert SECRETS["grafanaClientSecret"] not in str([item.inputs for item in program if item is not secret])
    asked = grafana["grafana.ini"]["auth.generic_oauth"]
    assert asked["client_secret"] == f"$__file{{{mount['mountPath']}/{key}}}"
    assert (asked["token_url"], asked["api_url"]) == (SIGN_IN["tokenUrl"], SIGN_IN["userUrl"])
    (policy,) = [item for item in program if item.type.endswith(":NetworkPolicy") and item.name == "grafana"]
    assert {"ports": [{"port": port, "protocol": "TCP"} for port in (443, 8443)]} in policy.inputs["spec"]["egress"]
    with pytest.raises(pulumi.RunError, match="set --stack dev --secret grafanaClientSecret"):
        evaluate("dev", overrides={"grafana": {"signIn": SIGN_IN}, "links": links}, secrets={})


@pytest.mark.parametrize(
    ("claims", "role"),
    [
        ({"groups": ["shop", "platform"]}, "Admin"),
        ({"groups": ["on call", "platform"]}, "Admin"),
        ({"groups": ["on call"]}, "Editor"),
        ({"groups": ["/shop"]}, "Editor"),
        ({"groups": ["shop"]}, "Viewer"),
        ({"groups": []}, "Viewer"),
        ({}, "Viewer"),
    ],
)
def test_a_persons_groups_choose_the_role(claims: dict[str, Any], role: str) -> None:
    provider = SignIn.model_validate(SIGN_IN, by_alias=True, by_name=False)
    assert jmespath.search(role_of(provider), claims) == role


def test_an_ingress_serves_the_host_that_notifications_link_to() -> None:
    asked = {"className": "nginx", "annotations": {"cert-manager.io/issuer": "a"}, "tlsSecret": "grafana-tls"}
    others = {"links": {"grafana": "https://grafana.test"}, "access": {"grafanaFrom": ["ingress-nginx"]}}
    ingress = values(evaluate("dev", overrides={"grafana": {"ingress": asked}} | others), "kube-prometheus-stack")
    assert ingress["grafana"]["ingress"] == {
        "enabled": True,
        "ingressClassName": "nginx",
        "annotations": {"cert-manager.io/issuer": "a"},
        "hosts": ["grafana.test"],
        "path": "/",
        "tls": [{"secretName": "grafana-tls", "hosts": ["grafana.test"]}],
    }
    assert "ingress" not in values(evaluate("dev"), "kube-prometheus-stack")["grafana"]


def test_a_workspace_is_written_to_with_a_role_for_which_running_pods_are_made_again() -> None:
    remote = {"workspace": "ws-0a1b2c3d-1111-2222-3333-444455556666"}
    program = evaluate("prod", overrides={"metrics": {"remoteWrite": remote}})
    prometheus = values(program, "kube-prometheus-stack")["prometheus"]
    assert "remote-write-role" in prometheus["serviceAccount"]["annotations"]["eks.amazonaws.com/role-arn"]
    assert prometheus["prometheusSpec"]["podMetadata"]["annotations"] == prometheus["serviceAccount"]["annotations"]
    trust = json.dumps(program.one("aws:iam/role:Role", "remote-write-role").inputs)
    assert "system:serviceaccount:monitoring:kube-prometheus-stack-prometheus" in trust


def test_a_second_place_needs_its_secret() -> None:
    with pytest.raises(pulumi.RunError, match="set --stack dev --secret remoteWriteCredential"):
        evaluate("dev", overrides={"metrics": {"remoteWrite": {"url": "https://mimir.test"}}}, secrets={})


def test_all_panels_of_a_page_ask_the_same_replica_of_prometheus(prod: Program) -> None:
    prometheus = values(prod, "kube-prometheus-stack")["prometheus"]
    assert prometheus["prometheusSpec"]["replicas"] > 1
    assert prometheus["service"]["sessionAffinity"] == "ClientIP"


def test_prometheus_stops_growing_before_its_volume_is_full(dev: Program) -> None:
    spec = values(dev, "kube-prometheus-stack")["prometheus"]["prometheusSpec"]
    assert spec["retentionSize"] == "4608MiB"  # nine tenths of 5Gi
    request = spec["storageSpec"]["volumeClaimTemplate"]["spec"]["resources"]["requests"]["storage"]
    assert request == "5Gi"


def test_what_panels_read_of_the_cluster_is_scraped(dev: Program, prod: Program, changed: Program) -> None:
    """The chart scrapes CoreDNS and the kubelets unless it is told not to, and drops nothing more than it does."""
    for program in (dev, prod, changed):
        stack = values(program, "kube-prometheus-stack")
        assert "coreDns" not in stack
        assert stack["kubelet"].keys() == {"serviceMonitor"}
        assert not [key for key in stack["kubelet"]["serviceMonitor"] if not key.lower().endswith("interval")]


@pytest.mark.parametrize(("platform", "watched"), [("eks", False), ("kind", False), ("other", True)])
def test_unreachable_control_planes_are_not_watched(
    platform: str, watched: bool, dev: Program, prod: Program, changed: Program
) -> None:
    found = values({"eks": prod, "kind": dev, "other": changed}[platform], "kube-prometheus-stack")
    parts = ("kubeControllerManager", "kubeScheduler", "kubeEtcd", "kubeProxy")
    assert {found[part]["enabled"] for part in parts} == {watched}


def test_local_volumes_match_the_claims_that_are_made_on_them(dev: Program) -> None:
    volumes = [item.inputs["spec"] for item in dev.of(VOLUME)]
    stack = values(dev, "kube-prometheus-stack")
    claimed = {
        stack["prometheus"]["prometheusSpec"]["storageSpec"]["volumeClaimTemplate"]["spec"]["storageClassName"],
        stack["alertmanager"]["alertmanagerSpec"]["storage"]["volumeClaimTemplate"]["spec"]["storageClassName"],
        stack["grafana"]["persistence"]["storageClassName"],
        values(dev, "loki")["singleBinary"]["persistence"]["storageClass"],
        values(dev, "tempo")["persistence"]["storageClassName"],
    }
    assert {spec["storageClassName"] for spec in volumes} == claimed
    assert {item.inputs["metadata"]["name"] for item in dev.of(CLASS)} == claimed
    paths = [spec["hostPath"]["path"] for spec in volumes]
    assert len(set(paths)) == len(paths) == len(claimed)


def test_changing_where_volumes_are_does_not_touch_what_writes_to_them(dev: Program) -> None:
    # Through an input, a replaced volume would replace every release; the namespace must go before its volumes.
    for release in dev.of(RELEASE):
        assert release.inputs["namespace"] == "monitoring"
    namespace = dev.one("kubernetes:core/v1:Namespace", "monitoring")
    assert {f"{VOLUME}::{item.name}" for item in dev.of(VOLUME)} <= namespace.dependencies


def test_each_replica_has_a_local_volume_of_its_own() -> None:
    settings = parse(document("dev", workloads={"alertmanager": {"replicas": 3}}))
    assert {"alertmanager-0", "alertmanager-1", "alertmanager-2"} <= set(storage.local_volumes(settings))


def test_ephemeral_storage_claims_nothing(changed: Program) -> None:
    assert changed.of(VOLUME) == changed.of(CLASS) == []
    stack = values(changed, "kube-prometheus-stack")
    assert "storageSpec" not in stack["prometheus"]["prometheusSpec"]
    assert stack["grafana"]["persistence"] == {"enabled": False}


def test_prod_makes_its_storage_class_and_protects_what_holds_data(prod: Program) -> None:
    created = prod.one(CLASS, "gp3")
    assert created.inputs["provisioner"] == "ebs.csi.aws.com"
    assert created.inputs["reclaimPolicy"] == "Retain"
    protected = {item.name for item in prod if item.protect}
    assert protected == {"monitoring", "gp3", "logs", "prometheus-operator-crds", protection.NAME}
    assert all(item.retain_on_delete for item in prod if item.protect and item.name != protection.NAME)


def test_nothing_of_prod_is_destroyed_before_what_refuses(prod: Program) -> None:
    guard = prod.one("pulumi:index:Stash", protection.NAME)
    others = {item.key for item in prod if item.custom and not item.type.startswith("pulumi:")}
    assert guard.protect
    assert others <= guard.dependencies


def test_dev_protects_nothing(dev: Program) -> None:
    assert not [item.name for item in dev if item.protect]


def test_workloads_wait_for_definitions_and_secrets(dev: Program) -> None:
    stack = dev.one(RELEASE, "kube-prometheus-stack")
    assert f"{RELEASE}::prometheus-operator-crds" in stack.dependencies
    assert f"{SECRET}::alertmanager-configuration" in stack.dependencies
    assert f"{SECRET}::alertmanager-credentials" in stack.dependencies
    for item in (*custom(dev, "PrometheusRule"), *custom(dev, "ServiceMonitor"), *custom(dev, "Probe")):
        assert f"{RELEASE}::prometheus-operator-crds" in item.dependencies, item.name


def test_credentials_are_secret_and_only_in_secrets(prod: Program) -> None:
    for item in prod:
        for key, value in SECRETS.items():
            if value in json.dumps(item.inputs):
                assert item.type == SECRET, f"{key} in {item.key}"
    credentials = prod.one(SECRET, "alertmanager-credentials")
    assert any(path.startswith("stringData") for path in credentials.secrets)
    assert not any(value in json.dumps(prod.outputs) for value in SECRETS.values())


def test_outputs_say_where_everything_is(prod: Program) -> None:
    outputs = prod.outputs
    assert outputs["prometheus"] == "http://kube-prometheus-stack-prometheus.monitoring.svc:9090"
    assert outputs["loki"] == "http://loki.monitoring.svc:3100"
    assert outputs["grafanaSecret"] == "grafana-admin"
    assert "port-forward" in outputs["grafanaAccess"]
    assert 0 < outputs["cloudwatchMonthlyUsd"] < 50


def test_cloudwatch_reads_and_nothing_else(prod: Program) -> None:
    policy = json.loads(prod.one("aws:iam/rolePolicy:RolePolicy", "cloudwatch-policy").inputs["policy"])
    actions = {action for statement in policy["Statement"] for action in statement["Action"]}
    assert all(action.split(":")[1].startswith(("Get", "List", "Describe")) for action in actions)
    trust = json.loads(prod.one("aws:iam/role:Role", "cloudwatch-role").inputs["assumeRolePolicy"])
    (condition,) = [statement["Condition"]["StringEquals"] for statement in trust["Statement"]]
    assert "system:serviceaccount:monitoring:cloudwatch-exporter" in condition.values()
    annotations = values(prod, "cloudwatch-exporter")["serviceAccount"]["annotations"]
    assert annotations["eks.amazonaws.com/role-arn"].startswith("arn:aws:iam::")


def test_cloudwatch_asks_for_the_stacks_own_tables_and_cluster(prod: Program) -> None:
    configuration = yaml.safe_load(values(prod, "cloudwatch-exporter")["config"])
    asked = {d["value"] for item in configuration["static"] for d in item["dimensions"] if d["name"] == "TableName"}
    assert asked == {f"order-processor-prod-{table}" for table in ("users", "orders", "inventory")}
    clusters = [item for item in configuration["static"] if item["namespace"] == "AWS/EKS"]
    assert [item["dimensions"][0]["value"] for item in clusters] == ["order-processor-prod-cluster"]
    tagged = [job for job in configuration["discovery"]["jobs"] if job["type"] != "AWS/Billing"]
    assert all(job["searchTags"] for job in tagged)


def test_figures_of_cloudwatch_are_complete_where_the_exporter_can_wait_for_them(prod: Program) -> None:
    """Only for what it finds, and only as said of the whole job; the panels say what that makes of the figures."""
    configuration = yaml.safe_load(values(prod, "cloudwatch-exporter")["config"])
    found = [job for job in configuration["discovery"]["jobs"] if job["type"] != "AWS/Billing"]
    assert {(job["period"], job["delay"]) for job in found} == {(cloudwatch.PERIOD_SECONDS, cloudwatch.DELAY_SECONDS)}
    asked = [*configuration["static"], *(metric for item in configuration["static"] for metric in item["metrics"])]
    assert not any("delay" in item for item in [*asked, *(metric for job in found for metric in job["metrics"])])
    assert CLOUDWATCH_PERIOD == cloudwatch.PERIOD_SECONDS
    assert CLOUDWATCH_DELAY == cloudwatch.DELAY_SECONDS


def test_cloudwatch_cost_is_inverse_to_the_interval_and_grows_with_the_tables() -> None:
    aws = parse(document("prod")).aws
    assert aws is not None
    hourly = aws.model_copy(update={"interval": "1h"})
    assert cloudwatch.monthly_cost(hourly) == pytest.approx(cloudwatch.monthly_cost(aws) / 12, abs=0.01)
    more = aws.model_copy(update={"tables": (*aws.tables, "another")})
    assert cloudwatch.monthly_cost(more) > cloudwatch.monthly_cost(aws)


def test_cloudwatch_is_charged_by_call_for_named_resources_and_by_statistic_for_found_ones() -> None:
    statistics: dict[str, tuple[str, ...]] = {"Latency": ("Average", "Maximum", "SampleCount")}
    named = cloudwatch.Job("AWS/DynamoDB", ("TableName",), statistics, (("orders",), ("users",)))
    assert named.queries == 2
    assert replace(named, resources=()).queries == 3


def test_cloudwatch_shows_a_cluster_that_gives_no_sign_of_life(prod: Program) -> None:
    """RedisDown tells it by evictions, which are then 0, and connections, which are then not."""
    configuration = yaml.safe_load(values(prod, "cloudwatch-exporter")["config"])
    (redis,) = [job for job in configuration["discovery"]["jobs"] if job["type"] == "AWS/ElastiCache"]
    zero = {metric["name"]: metric["nilToZero"] for metric in redis["metrics"]}
    assert (zero["Evictions"], zero["CurrConnections"]) == (True, False)


def test_agents_of_a_node_and_what_pages_need_have_a_priority_of_the_stack(dev: Program, prod: Program) -> None:
    """Classes of our own, as not every cluster grants its own critical ones to this namespace."""
    for program in (dev, prod):
        stack = values(program, "kube-prometheus-stack")
        priorities = {
            "log agent": values(program, "log-agent")["priorityClassName"],
            "node exporter": stack["prometheus-node-exporter"]["priorityClassName"],
            "Prometheus": stack["prometheus"]["prometheusSpec"]["priorityClassName"],
            "Alertmanager": stack["alertmanager"]["alertmanagerSpec"]["priorityClassName"],
            "kube-state-metrics": stack["kube-state-metrics"]["priorityClassName"],
            "prober": values(program, "blackbox-exporter")["priorityClassName"],
        }
        classes = {item.inputs["metadata"]["name"]: item.inputs for item in program.of(PRIORITY)}
        on_each_node = {priorities.pop("log agent"), priorities.pop("node exporter")}
        (agents,), (others,) = on_each_node, set(priorities.values())
        assert classes[agents]["value"] > classes[others]["value"] > 0
        assert (classes[agents]["preemptionPolicy"], classes[others]["preemptionPolicy"]) == (
            "PreemptLowerPriority",
            "Never",
        )


def test_the_chart_source_reaches_every_release(changed: Program) -> None:
    assert {item.inputs["repositoryOpts"]["repo"] for item in changed.of(RELEASE)} == {"https://charts.example.com"}
    oci = Charts(source="oci", location="oci://registry.example.com/charts")
    assert all(charts.locate(chart, oci)[0].startswith(f"{oci.location}/") for chart in charts.CHARTS)
    local = Charts(source="directory", location="/charts")
    assert charts.locate(charts.LOKI, local) == ("/charts/loki-18.11.0.tgz", None)


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_a_directory_of_charts_is_refused_without_the_packages_that_the_stack_installs(
    stack: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    source = {"source": "directory", "location": "./charts"}
    config = {"config": {KEY: document(stack, charts=source)}}
    (tmp_path / f"Pulumi.{stack}.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(InvalidInputError, match=rf"Pulumi.{stack}.yaml:\d+: .*charts.location: './charts' is no dir"):
        chart_files.check(tmp_path, stack)
    installed = {item.inputs["chart"] for item in request.getfixturevalue(stack).of(RELEASE)}
    packages = [charts.package(chart) for chart in charts.CHARTS if chart.name in installed]
    (tmp_path / "charts").mkdir()
    for name in packages[1:]:
        (tmp_path / "charts" / name).touch()
    with pytest.raises(InvalidInputError, match=rf"'./charts' has no {packages[0]}; `make mirror-list STACK={stack}`"):
        chart_files.check(tmp_path, stack)
    (tmp_path / "charts" / packages[0]).touch()
    chart_files.check(tmp_path, stack)


def test_grafana_has_one_default_data_source_under_a_stable_uid(dev: Program) -> None:
    sources = json.loads(dev.one(CONFIG_MAP, "grafana-datasources").inputs["data"]["datasources.yaml"])["datasources"]
    assert [item["uid"] for item in sources] == ["prometheus", "alertmanager", "loki", "tempo"]
    assert [item["uid"] for item in sources if item["isDefault"]] == ["prometheus"]
    # A second default, the chart's own, would stop Grafana.
    sidecar = values(dev, "kube-prometheus-stack")["grafana"]["sidecar"]
    assert sidecar["datasources"]["defaultDatasourceEnabled"] is False


def test_dashboards_are_in_a_folder_that_the_sidecar_makes(dev: Program) -> None:
    dashboards = [item for item in dev.of(CONFIG_MAP) if item.name.startswith("dashboard-")]
    assert {item.inputs["metadata"]["annotations"]["grafana_folder"] for item in dashboards} == {"Order processor"}
    sidecar = values(dev, "kube-prometheus-stack")["grafana"]["sidecar"]["dashboards"]
    assert sidecar["folderAnnotation"] == "grafana_folder"
    assert sidecar["provider"]["foldersFromFilesStructure"] is True


def test_grafana_opens_with_a_dashboard_that_is_there_before_it_starts(dev: Program) -> None:
    """Its sidecar writes the others later, and Grafana opens with an error until then."""
    grafana = values(dev, "kube-prometheus-stack")["grafana"]
    home = grafana["grafana.ini"]["dashboards"]["default_home_dashboard_path"]
    maps = {item.inputs["metadata"]["name"]: item.inputs["data"] for item in dev.of(CONFIG_MAP)}
    mounted = {
        f"{mount['mountPath']}/{file}" for mount in grafana["extraConfigmapMounts"] for file in maps[mount["configMap"]]
    }
    assert home in mounted
    assert home.endswith("/system-health.json")
