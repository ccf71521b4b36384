"""A stack's settings: what is accepted, and that what is not is reported whole, with its remedy."""

from __future__ import annotations

import importlib.resources
import json
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import settings
from checks import documentation as generate
from checks import examples, program
from components.alerting import rules
from facts import ROOT
from local.ports import Ports
from quantities import seconds
from rehearsal.channels import links
from settings import CHANNEL_SECRETS, KEY, Deployment, fit, parse
from validation import InvalidInputError, time_zones

STACK_FILES = [*map(examples.stack_file, examples.names()), *sorted(ROOT.glob("Pulumi.*.yaml"))]


def document(stack: str, **overrides: Any) -> dict[str, Any]:
    """The structured key of a stack file, with changes."""
    return program.document(stack, overrides)


def problems(content: Any) -> list[str]:
    with pytest.raises(InvalidInputError) as error:
        parse(content)
    return error.value.problems


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_stack_files_are_valid(stack: str) -> None:
    parsed = parse(document(stack))
    assert (parsed.scrape.infrastructure, parsed.scrape.applications) == ("15s", "30s")
    assert (parsed.retention.metrics, parsed.retention.logs) == ("15d", "7d")


def test_defaults_are_the_specified_ones() -> None:
    parsed = parse(
        {
            "platform": "kind",
            "cluster": "c",
            "notifications": {"unsetChannels": "leave-out"},
            "links": {"runbooks": "https://runbooks.test"},
        }
    )
    assert (parsed.scrape.infrastructure, parsed.scrape.applications) == ("15s", "30s")
    assert (parsed.retention.metrics, parsed.retention.logs) == ("15d", "7d")
    assert parsed.storage.kind == "local"
    assert parsed.escalation.warning_after == "15m"


def test_every_error_is_reported_at_once_with_key_value_and_remedy() -> None:
    found = problems(
        document(
            "dev",
            retention={"metrics": "15x", "logs": "36h"},
            storage={"sizes": {"prometheus": 5}},
            businessHours={"timeZone": "Mars/Olympus"},
            platfrom="kind",
            aws={"region": "us-west-2", "clusterName": "c", "tables": ["users"]},
        )
    )
    text = "\n".join(found)
    assert "retention.metrics: '15x' expected a duration in s, m, h, d or w such as 30s or 15d" in text
    assert '"5"' in text
    assert "businessHours.timeZone: 'Mars/Olympus' expected an IANA time zone" in text
    assert 'platfrom: unknown key; did you mean "platform"?' in text
    # A conflict between settings that are each right is not hidden by the others' errors.
    assert "aws needs platform eks" in text
    assert all(problem.startswith(KEY) for problem in found)


def test_what_is_wrong_is_not_missing_as_well() -> None:
    assert len(problems(document("dev", platform="gke", cluster="A"))) == 2


def test_logs_are_kept_for_whole_days() -> None:
    assert any("Loki deletes by the day" in problem for problem in problems(document("dev", retention={"logs": "36h"})))


def test_unknown_key_deep_inside_suggests_its_neighbour() -> None:
    found = problems(document("dev", notifications={"slack": {"chanel": "#x"}}))
    assert found == [f'{KEY} notifications.slack.chanel: unknown key; did you mean "channel"? allowed: channel']


@pytest.mark.parametrize(
    ("stack", "overrides", "expected"),
    [
        (
            "prod",
            {"aws": {"tags": None}},
            "aws.tags: without a tag whose expression leaves some values out, every load balancer and Redis",
        ),
        ("prod", {"aws": {"tags": {"Project": ".*"}}}, "aws.tags: without a tag whose expression"),
        ("prod", {"aws": {"tags": {"Project": ".", "Name": r"^\S+$"}}}, "aws.tags: without a tag whose expression"),
        ("prod", {"links": {"grafana": None}}, "links.grafana: notifications link to http://localhost"),
        ("prod", {"links": {"alertmanager": "http://localhost:9093"}}, "links.alertmanager: notifications link to"),
        ("prod", {"access": {"grafanaFrom": None}}, "links.grafana: the network policies admit no client"),
        ("prod", {"access": {"alertmanagerFrom": None}}, "namespace of your Ingress or proxy under access.alert"),
        ("dev", {"workloads": {"prometheus": {"replicas": 2}}}, "keeps every replica of prometheus on one node"),
        ("dev", {"workloads": {"alertmanager": {"replicas": 3}}}, "keeps every replica of alertmanager on one node"),
        (
            "dev",
            {"retention": {"metrics": "520w"}},
            'retention.metrics: "520w" is more than storage.sizes.prometheus: 5Gi',
        ),
        ("dev", {"retention": {"logs": "100w"}}, 'retention.logs: "100w" is more than storage.sizes.loki: 5Gi'),
        ("dev", {"tracing": {"retention": "52w"}}, 'tracing.retention: "52w" is more than storage.sizes.tempo: 2Gi'),
        (
            "dev",
            {"workloads": {"prometheus": {"memory": "100Mi", "memoryLimit": "256Mi"}}},
            'workloads.prometheus.memoryLimit: "256Mi" is less than the 512Mi that it requests by default',
        ),
        ("dev", {"workloads": {"loki": {"cpu": "10m", "cpuLimit": "20m"}}}, 'workloads.loki.cpuLimit: "20m" is less'),
    ],
)
def test_what_works_and_may_hurt_is_warned_of(stack: str, overrides: dict[str, Any], expected: str) -> None:
    found = settings.warnings(parse(_without_nothing(document(stack, **overrides))))
    assert len(found) == 1
    assert expected in found[0]
    assert found[0].endswith(".")


def _without_nothing(section: dict[str, Any]) -> dict[str, Any]:
    """The section without the keys that an override of None takes out."""
    inner = {key: _without_nothing(value) if isinstance(value, dict) else value for key, value in section.items()}
    return {key: value for key, value in inner.items() if value is not None}


def test_what_the_rehearsal_deploys_warns_of_nothing() -> None:
    reachable = links(Ports(), grafana=False)
    assert settings.warnings(parse(document("dev", links=reachable))) == []


@pytest.mark.parametrize("file", STACK_FILES, ids=lambda file: file.name)
def test_the_stacks_that_are_here_to_be_copied_warn_of_nothing(file: Path) -> None:
    assert settings.warnings(settings.read_stack(file)) == []


def test_a_deployment_shows_the_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(pulumi, "warn", said.append)
    program.evaluated_anew("prod", document("prod", aws={"tags": {}}) | {"links": {"runbooks": "https://r.test"}})
    assert [text for text in said if text.startswith("links.grafana and links.alertmanager: notifications link")]


def test_each_conflict_is_a_line() -> None:
    found = problems(document("dev", logs={"mode": "distributed"}, workloads={"grafana": {"replicas": 2}}))
    assert [line.removeprefix(f"{KEY} ").split(":")[0].split(" ")[0] for line in found] == [
        "logs.mode",
        "storage.kind",
        "workloads.grafana.replicas",
    ]


def test_every_wrong_item_of_a_list_is_reported_once() -> None:
    found = problems(document("prod", aws={"tables": ["a", "users", "b", "orders"]}, platform="kind"))
    assert [line.split("'")[0].strip() for line in found[:2]] == [f"{KEY} aws.tables[{index}]:" for index in (0, 2)]
    assert len(found) == 4  # and createClass and aws, which need EKS


def test_no_rule_looks_back_further_than_the_settings_demand_to_keep() -> None:
    files = rules.read(ROOT / "alerts").values()
    windows = [
        window
        for document in files
        for group in document["groups"]
        for rule in group["rules"]
        for window in rules.windows(rule["expr"])
    ]
    assert max(windows, key=seconds) == fit.LONGEST_LOOK_BACK


def test_time_zones_are_those_of_the_pinned_package_on_every_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "Mars").mkdir()
    (tmp_path / "Mars" / "Olympus").write_bytes(zoneinfo_bytes())
    monkeypatch.setattr("zoneinfo.TZPATH", (str(tmp_path),))
    time_zones.cache_clear()
    assert {"America/New_York", "UTC", "Asia/Kolkata", "US/Pacific"} <= set(time_zones())
    assert not {"Mars/Olympus", "localtime", "Factory", "posixrules"} & set(time_zones())
    assert len(time_zones()) > 590


def zoneinfo_bytes() -> bytes:
    return importlib.resources.files("tzdata").joinpath("zoneinfo", "UTC").read_bytes()


def test_names_that_aws_would_refuse_are_refused_with_key_value_and_remedy() -> None:
    wrong = {"region": "cn-north-1", "clusterName": "my cluster", "tables": ["t"], "logBucket": "My_Bucket"}
    text = "\n".join(problems(document("prod", aws=wrong)))
    for expected in (
        "aws.logBucket: 'My_Bucket' expected an S3 bucket name: 3 to 63 lower-case letters",
        "aws.region: 'cn-north-1' expected a region such as us-west-2; not of China",
        "aws.clusterName: 'my cluster' expected an EKS cluster name: at most 100",
        "aws.tables[0]: 't' expected a DynamoDB table name: 3 to 255",
    ):
        assert f"{KEY} {expected}" in text


def test_a_workload_keeps_the_defaults_that_a_stack_does_not_change() -> None:
    loki = parse(document("dev", workloads={"loki": {"memoryLimit": "3Gi"}})).workloads.loki
    assert (loki.memory_limit, loki.memory, loki.replicas) == ("3Gi", "256Mi", 1)


def test_prod_refuses_to_start_without_its_secrets_and_names_the_commands() -> None:
    with pytest.raises(InvalidInputError) as error:
        parse(document("prod"), Deployment("prod", frozenset({"slackWebhookUrl"})))
    for key in set(CHANNEL_SECRETS.values()) - {"slackWebhookUrl"}:
        assert f"pulumi config set --stack prod --secret {key}" in str(error.value)
    assert "--secret slackWebhookUrl" not in str(error.value)


def test_prod_refuses_to_start_without_a_channel_that_its_routes_need() -> None:
    content = document("prod")
    del content["notifications"]["pagerduty"]
    with pytest.raises(InvalidInputError, match=r"notifications\.pagerduty: missing; the routes need it"):
        parse(content, Deployment("prod", frozenset(CHANNEL_SECRETS.values())))


def test_missing_secrets_are_reported_together_with_everything_else() -> None:
    content = document("prod", retention={"logs": "36h"})
    del content["cluster"]
    with pytest.raises(InvalidInputError) as error:
        parse(content, Deployment("prod", frozenset()))
    for expected in (
        "cluster: missing",
        "Loki deletes by the day",
        "--secret slackWebhookUrl",
        "--secret heartbeatUrl",
    ):
        assert expected in str(error.value)


@given(st.sets(st.sampled_from(sorted(CHANNEL_SECRETS))))
def test_dev_uses_exactly_the_channels_whose_secrets_are_set(channels: set[str]) -> None:
    secrets = frozenset(CHANNEL_SECRETS[channel] for channel in channels)
    usable = parse(document("dev"), Deployment("dev", secrets)).notifications
    assert {channel for channel in CHANNEL_SECRETS if getattr(usable, channel) is not None} == channels


def test_no_stack_file_holds_a_secret_inside_the_structured_key() -> None:
    # Pulumi hands a structured key to the program in the clear, so a secret in it would lose its secretness.
    for path in ROOT.glob("Pulumi.*.yaml"):
        structured = yaml.safe_load(path.read_text())["config"][KEY]
        assert "secure" not in json.dumps(structured), path.name


def test_schemas_tables_and_pages_are_current() -> None:
    for path, text in generate.schemas().items():
        assert path.read_text() == text, "run: make schema"
    assert generate.ALERTS.read_text() == generate.alerts_page(), "run: make schema"
    assert generate.with_flows(generate.SECURITY.read_text()) == generate.SECURITY.read_text(), "run: make schema"
    assert generate.with_tables(generate.SETTINGS.read_text()) == generate.SETTINGS.read_text(), "run: make schema"


@pytest.mark.parametrize("name", generate.TABLES)
def test_every_key_is_described(name: str) -> None:
    lines = generate.table(generate.TABLES[name]).splitlines()[2:]
    undescribed = [line for line in lines if line.rstrip(" |").endswith(("none", "required")) or "|  |" in line]
    assert not undescribed
    assert len(lines) > 10


def test_only_settings_reads_the_configuration() -> None:
    files = [*ROOT.glob("*.py"), *(path for room in ("components", "settings") for path in (ROOT / room).rglob("*.py"))]
    readers = [path.name for path in files if "pulumi.Config(" in path.read_text()]
    assert readers == ["__main__.py"]  # which hands it to settings.load and to nothing else
    assert (ROOT / "__main__.py").read_text().count("pulumi.Config()") == 1
    assert settings.load.__module__ == "settings.reading"
