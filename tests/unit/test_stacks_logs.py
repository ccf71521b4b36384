"""What the program registers for logs and traces, under Pulumi's mocks."""

from __future__ import annotations

import json

import pulumi
import pytest

from checks.program import Program, evaluate
from components.logs.agent import AGENT_GATES, AGENT_START, AGENT_STATE
from tests.unit.registered import CONFIG_MAP, values


def test_logs_are_of_the_application_and_of_the_namespaces_that_a_stack_names(dev: Program, changed: Program) -> None:
    read = {
        variable["value"]
        for program in (dev, changed)
        for variable in values(program, "log-agent")["extraEnvs"]
        if variable["name"] == "LOG_NAMESPACES"
    }
    assert read == {"order-processor", "order-processor,ingress,kube-system"}
    included = values(dev, "log-agent")["alternateConfig"]["receivers"]["file_log"]["include"]
    assert all("/{${env:LOG_NAMESPACES:-" in path for path in included)
    with pytest.raises(pulumi.RunError, match=r"logs\.namespaces\[0\]: 'a,b' expected a DNS label"):
        evaluate("dev", {"logs": {"namespaces": ["a,b"]}})


def test_log_counters_reach_every_prometheus(prod: Program, dev: Program) -> None:
    agent = values(prod, "log-agent")["alternateConfig"]
    assert agent["service"]["pipelines"]["metrics"]["exporters"] == ["otlp_http/prometheus-0", "otlp_http/prometheus-1"]
    assert "prometheus-1.prometheus-operated" in agent["exporters"]["otlp_http/prometheus-1"]["endpoint"]
    assert "otlp_http/prometheus" in values(dev, "log-agent")["alternateConfig"]["exporters"]


def test_the_log_agent_may_read_what_belongs_to_root_and_nothing_else(dev: Program) -> None:
    agent = values(dev, "log-agent")
    context = agent["securityContext"]
    assert context["capabilities"] == {"drop": ["ALL"], "add": ["DAC_READ_SEARCH"]}
    assert (context["readOnlyRootFilesystem"], context["allowPrivilegeEscalation"]) == (True, False)
    writable = [mount["mountPath"] for mount in agent["extraVolumeMounts"] if not mount.get("readOnly")]
    assert writable == ["/var/lib/otelcol"]  # offsets and queue outlive the pod there
    assert {"name": "state", "hostPath": {"path": AGENT_STATE, "type": "DirectoryOrCreate"}} in agent["extraVolumes"]
    assert agent["serviceAccount"]["automountServiceAccountToken"] is False
    assert "clusterRole" not in agent


def test_traces_are_only_listened_for_where_they_are_kept(dev: Program, changed: Program) -> None:
    for program, enabled in ((dev, True), (changed, False)):
        ports = values(program, "log-agent")["ports"]
        assert (ports["otlp"]["enabled"], ports["otlp-http"]["enabled"]) == (enabled, enabled)
        assert ports["metrics"]["enabled"] is True


def test_requests_lead_to_traces_only_where_they_are_kept(dev: Program, changed: Program) -> None:
    """Exemplars cost memory, and Grafana marks what asks for a Tempo that is not there."""
    for program, kept in ((dev, True), (changed, False)):
        spec = values(program, "kube-prometheus-stack")["prometheus"]["prometheusSpec"]
        assert spec.get("enableFeatures", []) == (["exemplar-storage"] if kept else [])
        deployed = json.dumps([item.inputs for item in program.of(CONFIG_MAP)])
        assert ("tempo" in deployed, '\\"exemplar\\": true' in deployed) == (kept, kept)


def test_lines_that_are_only_in_memory_outlive_loki(dev: Program, changed: Program) -> None:
    """By the write-ahead log on its volume, or where there is none by writing them to chunks before it ends."""
    flushes = [values(program, "loki")["loki"]["ingester"]["wal"]["flush_on_shutdown"] for program in (dev, changed)]
    assert flushes == [False, True]


def test_loki_reads_its_write_ahead_log_within_its_memory(changed: Program) -> None:
    loki = values(changed, "loki")["loki"]
    assert loki["ingester"]["wal"]["replay_memory_ceiling"] == "1536MB"


def test_logs_wait_for_loki_rather_than_being_lost(dev: Program) -> None:
    agent = values(dev, "log-agent")
    configuration = agent["alternateConfig"]
    loki = configuration["exporters"]["otlp_http/loki"]
    assert loki["retry_on_failure"]["max_elapsed_time"] == 0
    assert loki["sending_queue"]["storage"] == configuration["receivers"]["file_log"]["storage"] == "file_storage"
    assert loki["sending_queue"]["block_on_overflow"] is True
    assert configuration["receivers"]["file_log"]["start_at"] == "beginning"
    assert f"--feature-gates={AGENT_GATES}" in agent["command"]["extraArgs"]
    # What either exporter or limiter refuses is read again for both: counters must never refuse.
    assert "memory_limiter" not in configuration["service"]["pipelines"]["metrics"]["processors"]


def test_nothing_is_parsed_or_sent_before_it_is_masked(dev: Program) -> None:
    for release in ("log-agent", "kubernetes-events"):
        configuration = values(dev, release)["alternateConfig"]
        processors = configuration["service"]["pipelines"]["logs"]["processors"]
        transforms = [name for name in processors if name.startswith("transform/")]
        assert transforms[0] == "transform/redact"
        assert all(group["statements"] for group in configuration["processors"]["transform/redact"]["log_statements"])


def test_the_agents_pod_starts_what_sets_damaged_files_aside(dev: Program) -> None:
    agent = values(dev, "log-agent")
    (start,) = agent["initContainers"]
    assert agent["command"]["name"] == "start/agent"
    assert ">/start/agent" in start["command"][-1]
    assert start["env"][0]["value"].replace("$$", "$") == AGENT_START.read_text()
    assert start["image"].endswith("-uclibc")  # its shell is linked statically: the collector's image has no libraries
    written, read = start["volumeMounts"][0], agent["extraVolumeMounts"][-1]
    assert (written["name"], written["mountPath"]) == (read["name"], read["mountPath"])


def test_no_counter_of_lines_counts_what_is_older_than_the_agent(dev: Program) -> None:
    counted = values(dev, "log-agent")["alternateConfig"]["connectors"]["count"]["logs"]
    assert [name for name, each in counted.items() if not all("AGENT_BEGAN" in one for one in each["conditions"])] == []


def test_events_are_told_once_by_a_collector_that_may_only_read_them(dev: Program) -> None:
    events = values(dev, "kubernetes-events")
    assert (events["mode"], events["replicaCount"], events["rollout"]) == ("deployment", 1, {"strategy": "Recreate"})
    assert events["clusterRole"]["rules"] == [
        {"apiGroups": [""], "resources": ["events"], "verbs": ["get", "list", "watch"]}
    ]
    assert events["securityContext"]["runAsNonRoot"] is True
    assert "extraVolumes" not in events
    assert events["alternateConfig"]["service"]["pipelines"]["logs"]["receivers"] == ["k8s_events"]


def test_loki_in_prod_keeps_its_chunks_on_a_bucket_that_only_it_may_use(prod: Program) -> None:
    loki = values(prod, "loki")
    assert loki["loki"]["storage"]["bucketNames"]["chunks"] == "order-processor-prod-logs"
    assert loki["loki"]["compactor"]["delete_request_store"] == "s3"
    policy = json.loads(prod.one("aws:iam/rolePolicy:RolePolicy", "loki-policy").inputs["policy"])
    resources = {statement["Resource"] for statement in policy["Statement"]}
    assert resources == {"arn:aws:s3:::order-processor-prod-logs", "arn:aws:s3:::order-processor-prod-logs/*"}


def test_a_distributed_loki_takes_and_finds_lines_while_a_node_is_lost() -> None:
    loki = values(evaluate("prod", {"logs": {"mode": "distributed"}}), "loki")
    needed = ("gateway", "distributor", "querier", "queryFrontend", "queryScheduler", "indexGateway")
    assert all(loki[part]["replicas"] > 1 for part in needed)
    assert loki["ingester"]["replicas"] >= loki["loki"]["commonConfig"]["replication_factor"] > 2
