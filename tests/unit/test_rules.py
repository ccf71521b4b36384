"""Rules as data: what the catalogue generates, and which rule files are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalogue import Catalogue, Service
from components.alerting import rules
from components.alerting.normalisation import expectations, generated_groups
from facts import ROOT
from settings import Aws, BusinessHours, Escalation, Retention
from tests.unit.rule_samples import CATALOGUE, SETTINGS, alert, problem, write
from validation import InvalidInputError

ALERTS = ROOT / "alerts"

NAMES = st.lists(st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True), min_size=1, max_size=6, unique=True)


def generated(of: Catalogue = CATALOGUE) -> list[dict[str, Any]]:
    return [rule for group in generated_groups(of, SETTINGS) for rule in group["rules"]]


def recorded(name: str, of: Catalogue = CATALOGUE) -> list[dict[str, Any]]:
    return [rule for rule in generated(of) if rule["record"] == name]


def one(**service: Any) -> Catalogue:
    """A catalogue of one service."""
    return Catalogue.model_validate({"services": [{"name": "refund-service", "port": 8007, **service}]})


def test_every_service_is_expected_and_the_catalogue_says_how_it_is_watched() -> None:
    watched = {rule["labels"]["service"]: rule["labels"]["watched_by"] for rule in recorded("service:expected:info")}
    assert set(watched) == {service.name for service in CATALOGUE.services}
    assert {name for name, how in watched.items() if how == "probe"} == {"insights-service"}


@given(NAMES, st.data())
def test_every_service_costs_as_many_rules_as_any_other_that_is_watched_alike(
    names: list[str], data: st.DataObject
) -> None:
    measured = set(data.draw(st.lists(st.sampled_from(names), unique=True)))
    services = tuple(Service(name=name, port=80, prefix=name if name in measured else None) for name in names)
    of_services = [rule for rule in generated(Catalogue(services=services)) if "service" in rule.get("labels", {})]
    assert len(of_services) == len(names) + 9 * len(measured)


def test_what_a_service_promises_is_a_series_for_each_indicator() -> None:
    promised = recorded("service:slo_objective:ratio", one(prefix="refund", objectives={"availability": 99.5}))
    assert [(rule["labels"]["sli"], rule["expr"]) for rule in promised] == [
        ("availability", "vector(0.995)"),
        ("latency", "vector(0.95)"),
    ]


def test_a_service_without_metrics_promises_nothing() -> None:
    assert recorded("service:slo_objective:ratio", one()) == []


def test_slow_is_what_the_service_itself_calls_slow() -> None:
    (rule,) = recorded(
        "instance:http_requests_slow:sum",
        one(prefix="refund", objectives={"latency": {"percent": 99, "withinSeconds": 1}}),
    )
    assert 'le="1.0"' in rule["expr"]


def test_ignored_paths_and_statuses_do_not_count() -> None:
    service = one(prefix="refund", ignoredEndpoints=["/docs", "/openapi.json"], ignoredStatuses=["304", "307"])
    (rule,) = recorded("instance:http_requests:sum", service)
    assert 'endpoint!~"/health|/metrics|/docs|/openapi[.]json|unmatched"' in rule["expr"]
    assert 'status_code!~"304|307"' in rule["expr"]


def test_a_budget_is_a_series_where_one_is_set() -> None:
    aws = Aws(region="us-west-2", cluster_name="c", tables=("users",), monthly_budget_usd=250)
    with_budget = expectations(CATALOGUE, SETTINGS.model_copy(update={"aws": aws}))
    assert {"record": "aws:monthly_budget:usd", "expr": "vector(250)"} in with_budget
    assert recorded("aws:monthly_budget:usd") == []


def test_a_service_is_read_from_its_own_series_only() -> None:
    for rule in recorded("instance:http_errors:sum"):
        assert len({service.name for service in CATALOGUE.measured if f'"{service.name}"' in rule["expr"]}) == 1


def test_every_alert_gets_the_addresses_of_its_runbook_and_dashboard(directory: Path) -> None:
    write(directory, alert(), {"record": "a:b:c", "expr": "vector(1)"})
    (group,) = rules.prometheus_rules(directory, CATALOGUE, SETTINGS)["things"]
    assert group["rules"][0]["annotations"] == {
        "summary": "It is wrong.",
        "description": "It is.",
        "runbook_url": "https://runbooks.test/pages/SomethingWrong.md",
        "dashboard_url": "https://grafana.test/d/system-health?var-a=b",
    }
    assert group["rules"][1] == {"record": "a:b:c", "expr": "vector(1)"}


@pytest.mark.parametrize(
    ("labels", "asked"),
    [
        ({}, "$labels.service"),
        ({"service": "{{ $labels.container }}"}, "$labels.container"),
        ({"service": "gateway"}, '"gateway"'),
    ],
)
def test_an_alert_about_a_service_belongs_to_the_owner_of_the_service(
    directory: Path, labels: dict[str, str], asked: str
) -> None:
    write(directory, alert(labels={"severity": "warning", **labels}))
    (group,) = rules.prometheus_rules(directory, CATALOGUE, SETTINGS)["things"]
    owner = group["rules"][0]["labels"]["owner"]
    assert f'with printf "service:expected:info{{service=%q}}" {asked} | query' in owner
    assert "{{ else }}platform{{ end }}" in owner


def test_an_alert_that_names_its_owner_keeps_it(directory: Path) -> None:
    write(directory, alert(labels={"severity": "warning", "owner": "platform"}))
    (group,) = rules.prometheus_rules(directory, one(runbook="https://runbooks.test/refund"), SETTINGS)["things"]
    assert group["rules"][0]["labels"]["owner"] == "platform"
    assert "service_runbook_url" not in group["rules"][0]["annotations"]


def test_an_alert_links_to_the_runbook_of_its_service_where_services_have_some(directory: Path) -> None:
    write(directory, alert(labels={"severity": "warning"}))
    (group,) = rules.prometheus_rules(directory, one(runbook="https://runbooks.test/refund"), SETTINGS)["things"]
    assert 'label "runbook"' in group["rules"][0]["annotations"]["service_runbook_url"]


@pytest.mark.parametrize(
    ("labels", "on", "paged", "page"),
    [
        ({}, "service", "service:outage_paged:info", "ALERTS{{{}}}"),
        (
            {"service": "{{ $labels.container }}"},
            "container",
            'label_replace(service:outage_paged:info, "container", "$1", "service", "(.+)")',
            'label_replace(ALERTS{{{}}}, "container", "$1", "service", "(.+)")',
        ),
        (
            {"service": "gateway"},
            "",
            'service:outage_paged:info{service="gateway"}',
            'ALERTS{{{}, service="gateway"}}',
        ),
    ],
)
def test_what_warns_of_a_symptom_is_silent_where_its_service_has_a_page(
    directory: Path, labels: dict[str, str], on: str, paged: str, page: str
) -> None:
    """However it knows its service."""
    write(directory, alert(labels={"severity": "warning", "symptom": "errors"} | labels))
    (rule,) = rules.prometheus_rules(directory, CATALOGUE, SETTINGS)["things"][0]["rules"]
    firing = page.format('alertstate="firing", severity="critical", symptom="errors"')
    assert rule["expr"] == f"(\n  vector(1)\n)\nunless on ({on})\n{paged}\nunless on ({on})\n{firing}\n"


@pytest.mark.parametrize("labels", [{"severity": "warning"}, {"severity": "critical", "symptom": "errors"}])
def test_what_is_no_symptom_and_what_pages_are_as_they_are_written(directory: Path, labels: dict[str, str]) -> None:
    write(directory, alert(labels=labels))
    (rule,) = rules.prometheus_rules(directory, CATALOGUE, SETTINGS)["things"][0]["rules"]
    assert rule["expr"] == "vector(1)"


def test_a_rule_may_not_look_back_further_than_metrics_are_kept(directory: Path) -> None:
    write(directory, alert(expr="rate(up[14d]) > 0"))
    short = SETTINGS.model_copy(update={"retention": Retention(metrics="13d")})
    with pytest.raises(InvalidInputError) as error:
        rules.prometheus_rules(directory, CATALOGUE, short)
    assert error.value.problems == [
        "retention.metrics: 13d is less than the 14d that SomethingWrong (alerts/things.yaml) looks back; keep at "
        "least 14d"
    ]
    exact = SETTINGS.model_copy(update={"retention": Retention(metrics="14d")})
    assert rules.prometheus_rules(directory, CATALOGUE, exact)


def test_an_info_alert_waits_for_less_than_a_days_business_hours(directory: Path) -> None:
    write(directory, alert(labels={"severity": "info"}, **{"for": "2h"}))
    hours = BusinessHours(start="09:00", end="11:00")
    with pytest.raises(InvalidInputError) as error:
        rules.prometheus_rules(directory, CATALOGUE, SETTINGS.model_copy(update={"business_hours": hours}))
    assert error.value.problems == [
        "businessHours: 09:00 to 11:00 is no longer than the 2h for which SomethingWrong (alerts/things.yaml) waits, "
        "which would never be told; let them last longer"
    ]
    longer = BusinessHours(start="09:00", end="11:01")
    assert rules.prometheus_rules(directory, CATALOGUE, SETTINGS.model_copy(update={"business_hours": longer}))


@pytest.mark.parametrize(
    ("labels", "apart_from"),
    [
        pytest.param({}, "alertname, alertstate, owner, severity", id="what it is about, the expression says"),
        pytest.param({"service": "a"}, "alertname, alertstate, owner, service, severity", id="a name"),
        pytest.param({"service": "{{ $labels.service }}"}, "alertname, alertstate, owner, severity", id="the same"),
        pytest.param(
            {"service": "{{ $labels.app }}"}, "alertname, alertstate, owner, service, severity", id="another label"
        ),
    ],
)
def test_what_was_told_by_day_is_found_again_by_what_it_is_about(
    directory: Path, labels: dict[str, str], apart_from: str
) -> None:
    write(directory, alert(labels={"severity": "info"} | labels))
    (rule,) = rules.prometheus_rules(directory, CATALOGUE, SETTINGS)["things"][0]["rules"]
    told = 'ALERTS{alertname="SomethingWrong", alertstate="firing", severity="info"}'
    assert rule["expr"].endswith(f"and ignoring ({apart_from})\n{told}\n")


@pytest.mark.parametrize(
    ("severity", "wait", "waits"),
    [
        ("critical", "5m", "5m"),
        ("warning", "5m", "20m"),
        ("warning", "90s", "990s"),
        ("warning", "1h", "75m"),
        ("warning", "45m", "1h"),
        ("warning", None, "15m"),
        ("info", "5m", "5m"),
        ("none", None, None),
    ],
)
def test_a_warning_fires_when_it_is_to_be_told(
    severity: str, wait: str | None, waits: str | None, directory: Path
) -> None:
    write(directory, alert(labels={"severity": severity}, **{"for": wait}))
    ((made,),) = (group["rules"] for group in rules.prometheus_rules(directory, CATALOGUE, SETTINGS)["things"])
    assert made.get("for") == waits


def test_the_stack_says_how_long_people_wait(directory: Path) -> None:
    (directory / "runbooks" / "Page.md").touch()
    write(directory, alert(), alert(alert="Page", labels={"severity": "critical"}))
    patient = SETTINGS.model_copy(update={"escalation": Escalation(warning_after="25m", email_after="45m")})
    objects = rules.prometheus_rules(directory, CATALOGUE, patient)
    assert objects["things"][0]["rules"][0]["for"] == "25m"
    assert {rule["for"] for rule in objects["escalation"][0]["rules"]} == {"45m"}


def test_the_objects_are_the_files_and_the_generated_ones() -> None:
    objects = rules.prometheus_rules(ALERTS, CATALOGUE, SETTINGS)
    files = sorted(set(rules.read(ALERTS)) - {rules.LONG_TERM})  # these only where metrics are written there
    assert list(objects) == ["normalisation", *files, "escalation"]
    groups = [group["name"] for groups in objects.values() for group in groups]
    assert len(groups) == len(set(groups))


@pytest.mark.parametrize(
    ("expr", "windows"),
    [
        ("rate(up[1h30m])", ["1h30m"]),
        ("rate(up[500ms])", ["500ms"]),
        ("rate(up[1y])", ["1y"]),
        ("rate(up[ 5m ])", ["5m"]),
        ("max_over_time(rate(up[5m])[1h:30s])", ["5m", "1h"]),
        ("up offset 1w", ["1w"]),
        ("up OFFSET 2d", ["2d"]),
        ('up{path=~"[5m]", job="offset 1y"} # [1y]', []),
        ("up{path=~'[abc]'}", []),
        ("rate(up[5 minutes])", []),
        ("rate(up[30m1h])", []),
        ("rate(up[$__range])", []),
    ],
)
def test_windows_are_those_of_promql(directory: Path, expr: str, windows: list[str]) -> None:
    assert rules.windows(expr) == windows
    if "1y" not in windows:
        write(directory, alert(expr=expr))
        assert rules.prometheus_rules(directory, CATALOGUE, SETTINGS)["things"]


def test_a_wait_may_have_several_units(directory: Path) -> None:
    write(directory, alert(**{"for": "1h30m"}))
    (group,) = rules.prometheus_rules(directory, CATALOGUE, SETTINGS)["things"]
    assert group["rules"][0]["for"] == "105m"  # and warningAfter


def test_what_looks_back_too_far_twice_is_reported_once(directory: Path) -> None:
    write(directory, alert(expr="rate(up[30d]) > rate(down[30d])"))
    assert problem(directory).count("\n") == 0
