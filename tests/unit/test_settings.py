"""A stack's settings: what is accepted, and that what is not is reported whole, with its remedy."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import settings
from checks import documentation as generate
from checks import program
from facts import ROOT
from settings import CHANNEL_SECRETS, KEY, Deployment, parse
from validation import InvalidInputError


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
    ("overrides", "expected"),
    [
        ({"logs": {"mode": "distributed"}}, "logs.mode: distributed needs aws.logBucket"),
        ({"workloads": {"loki": {"replicas": 2}}}, "workloads.loki.replicas: 2 needs aws.logBucket"),
        (
            {"logs": {"mode": "distributed"}},
            "storage.kind: local serves one Loki only; logs.mode: distributed needs class",
        ),
        (
            {"workloads": {"loki": {"replicas": 2}}},
            "storage.kind: local serves one Loki only; workloads.loki.replicas: 2 needs class",
        ),
        (
            {"logs": {"mode": "distributed"}, "workloads": {"loki": {"replicas": 3}}},
            "workloads.loki.replicas: 3 has no use if logs.mode is distributed; remove it",
        ),
        ({"storage": {"kind": "class"}}, "storage.createClass makes EBS volumes, which need platform eks"),
        ({"workloads": {"grafana": {"replicas": 2}}}, "workloads.grafana.replicas must be 1"),
        ({"logs": {"bucket": "some-bucket"}}, "`logs.bucket` is no key any more; move it to `aws.logBucket`"),
        ({"scrape": {"applications": "2m"}}, 'applications: "2m" must be 10s to 75s'),
        ({"scrape": {"infrastructure": "5s"}}, 'infrastructure: "5s" must be 10s to 75s'),
        ({"escalation": {"warningAfter": "26m"}}, 'warningAfter: "26m" is more than 25m'),
        ({"workloads": {"loki": {"memory": "4Gi"}}}, 'memory: "4Gi" is more than memoryLimit "1Gi"'),
        ({"workloads": {"loki": {"cpu": "1.5"}}}, 'cpu: "1.5" is more than cpuLimit "1"'),
        ({"workloads": {"loki": {"memory": "250m"}}}, "expected a size in Mi, Gi or Ti"),
        (
            {"redis": {"address": "redis://redis:6379"}},
            "redis.address: 'redis://redis:6379' expected host:port such as redis.example.com:6379",
        ),
        ({"redis": {"address": "redis"}}, "redis.address: 'redis' expected host:port"),
        ({"redis": {"address": "redis:70000"}}, "redis.address: 'redis:70000' expected a port from 1 to 65535"),
        ({"redis": {"adress": "redis:6379"}}, 'redis.adress: unknown key; did you mean "address"?'),
        ({"charts": {"source": "oci", "location": "https://x"}}, 'must start with oci:// for "oci"'),
        ({"charts": {"location": "https://x"}}, "has no use"),
        ({"businessHours": {"start": "18:00"}}, 'start "18:00" must be before end "17:00"'),
        ({"businessHours": {"days": []}}, "businessHours.days: tuple should have at least 1 item"),
        (
            {"businessHours": {"timeZone": "localtime"}},
            "businessHours.timeZone: 'localtime' expected an IANA time zone",
        ),
        ({"businessHours": {"timeZone": "Factory"}}, "businessHours.timeZone: 'Factory' expected an IANA time zone"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(overrides: dict[str, Any], expected: str) -> None:
    assert expected in "\n".join(problems(document("dev", **overrides)))


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
