"""The service catalogue, and that one entry is all that a new service needs."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from order_processor_observability.metrics import REQUIRED_BUCKETS

from catalogue import LATENCY_BOUNDS, Catalogue, Service, load
from components.metrics import monitors
from facts import ROOT
from local.ports import SERVICES
from settings import parse
from simulation import redis
from validation import InvalidInputError

SETTINGS = parse(
    {
        "platform": "kind",
        "cluster": "c",
        "notifications": {"unsetChannels": "leave-out"},
        "links": {"runbooks": "https://runbooks.test"},
    }
)


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "services.yaml"
    path.write_text(text)
    return path


def test_the_catalogue_holds_the_application_and_knows_what_exposes_no_metrics() -> None:
    catalogue = load(ROOT / "services.yaml")
    assert {service.name for service in catalogue.services} >= SERVICES.keys()
    assert "insights-service" not in {service.name for service in catalogue.measured}


def test_the_rehearsal_takes_redis_from_those_who_use_it() -> None:
    simulated = [one for one in load(ROOT / "services.yaml").services if one.name in SERVICES]
    assert set(redis.USERS) == {one.name for one in simulated if redis.NAME in (*one.uses, *one.requires)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("services: [{name: a, prot: 1}]", 'prot: unknown key; did you mean "port"?'),
        ("services: [{name: a}]", "services[0].port: missing"),
        ("services: [{name: A_b, port: 1}]", "services[0].name: 'A_b' expected a DNS label"),
        ("services:\n- {name: a, port: 1}\n- {name: a, port: 2}", 'services.yaml:3: services[1].name: "a" is the name'),
        (
            "services: [{name: a, port: 1, dependencies: [redis]}]",
            "`dependencies` is no key any more; name under `requir",
        ),
        ("services: [{name: a, port: 1, objectives: {availability: 100}}]", "services[0].objectives.availability: 100"),
        (
            "services: [{name: a, port: 1, objectives: {latency: {withinSeconds: 0.2}}}]",
            "objectives.latency.withinSeconds: 0.2 expected a bucket bound that all services have: 0.1, 0.25",
        ),
        (
            "services: [{name: a, port: 1, objectives: {latency: {exempt: ['/a|b']}}}]",
            "services[0].objectives.latency.exempt",
        ),
        ("services: [{name: a, port: 1, ignoredStatuses: ['503']}]", "services[0].ignoredStatuses"),
        ("services: [{name: a, port: 1, ignoredEndpoints: ['/a|b']}]", "services[0].ignoredEndpoints"),
        ("services: [{name: a, port: 1, runbook: wiki}]", "services[0].runbook"),
        ("services: []", "services: "),
        ("services: [", "not valid YAML"),
    ],
)
def test_bad_entries_are_refused_by_key_and_value(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(InvalidInputError) as error:
        load(write(tmp_path, text))
    assert expected in str(error.value)
    assert "services.yaml" in str(error.value)


def test_a_wrong_entry_that_is_the_only_one_is_not_missing_as_well(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError) as error:
        load(write(tmp_path, "services: [{name: a, port: 99999}]"))
    assert [problem.rpartition(": ")[0] for problem in error.value.problems] == ["services.yaml:1: services[0].port"]


def test_an_empty_file_and_one_with_events_say_what_belongs_there(tmp_path: Path) -> None:
    for text, expected in (
        ("", "services.yaml: it is empty; expected keys with values: "),
        ("# nothing", "services.yaml: it is empty; "),
        (
            "services: [{name: a, port: 1}]\nevents: []",
            "services.yaml:2: events: unknown key; write them in events.yaml",
        ),
    ):
        with pytest.raises(InvalidInputError) as error:
            load(write(tmp_path, text))
        assert error.value.problems[0].startswith(expected)


TOLD = "logger: a, action: b, message: c"
EVENT = "name: refunded, service: a, series: refunds_total"


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        (f"{{{EVENT}, toldBy: [{{{TOLD}}}]}}", "at least one of examples"),
        (f"{{{EVENT}}}", "either toldBy, the lines that tell it, or untold"),
        (f"{{{EVENT}, untold: it is not, toldBy: [{{{TOLD}}}], examples: [x]}}", "either toldBy"),
        (f"{{{EVENT}, toldBy: [{{logger: a, action: b}}], examples: [x]}}", "events[0].toldBy[0].message: missing"),
        (f"{{{EVENT}, untold: it is not, exmaples: []}}", 'exmaples: unknown key; did you mean "examples"?'),
        (
            f"{{{EVENT.replace('service: a', 'service: b')}, untold: it is not}}",
            'events.yaml:1: events[0].service: "b" is not in services.yaml; expected one of a',
        ),
        (
            f"{{{EVENT}, untold: it is not}}, {{{EVENT}, untold: it is not}}",
            'events[1].name: "refunded" is the name of',
        ),
        ("{name: Refunded!, service: a, series: refunds_total, untold: it is not}", "events[0].name: 'Refunded!'"),
        ("{", "not valid YAML"),
    ],
)
def test_bad_events_are_refused_by_key_and_value(tmp_path: Path, events: str, expected: str) -> None:
    services = write(tmp_path, "services: [{name: a, port: 1}]")
    (tmp_path / "events.yaml").write_text(f"events: [{events}]")
    with pytest.raises(InvalidInputError) as error:
        load(services)
    assert expected in str(error.value)
    assert "events.yaml" in str(error.value)


def test_what_is_wrong_with_both_files_is_said_at_once(tmp_path: Path) -> None:
    services = write(tmp_path, "services: [{name: a}]")
    (tmp_path / "events.yaml").write_text("events: []")
    with pytest.raises(InvalidInputError) as error:
        load(services)
    assert "services.yaml" in str(error.value)
    assert "events.yaml" in str(error.value)


def test_a_service_that_is_absent_takes_its_events_along() -> None:
    rest = load(ROOT / "services.yaml").without(["order-service"])
    assert rest.events
    assert all(event.service != "order-service" for event in rest.events)


def test_a_new_service_is_scraped_and_probed_under_its_own_name() -> None:
    document = yaml.safe_load((ROOT / "services.yaml").read_text())
    document["services"].append({"name": "another-service", "prefix": "another", "port": 8099})
    catalogue = Catalogue.model_validate(document)
    service = catalogue.services[-1]
    endpoint = monitors.service_monitor(service, catalogue, SETTINGS)["endpoints"][0]
    assert endpoint["interval"] == "30s"
    for label in ("service", "job"):
        assert {"action": "replace", "targetLabel": label, "replacement": "another-service"} in endpoint["relabelings"]
    targets = monitors.probe(service, catalogue, SETTINGS)["targets"]["staticConfig"]
    assert targets["static"] == ["http://another-service.order-processor.svc:8099/health"]


def test_a_service_is_found_by_its_name_or_by_labels_of_its_own() -> None:
    plain, labelled = Service(name="a", port=1), Service(name="a", port=1, selector={"app.kubernetes.io/name": "a"})
    for service, labels in ((plain, {"app": "order-processor", "component": "a"}), (labelled, labelled.selector)):
        monitor = monitors.service_monitor(service, Catalogue(services=(service,)), SETTINGS)
        assert monitor["selector"] == {"matchLabels": labels}


def test_an_instrumented_service_needs_no_names() -> None:
    service = Service.model_validate({"name": "price-feed-service", "port": 1, "instrumented": True})
    assert (service.prefix, service.metrics_path, service.health_path) == ("price_feed", "/metrics", "/health/ready")


def test_what_an_instrumented_service_does_differently_wins() -> None:
    service = Service.model_validate({"name": "a", "port": 1, "instrumented": True, "prefix": "b"})
    assert service.prefix == "b"


def test_a_stack_may_run_a_service_with_the_package_before_its_entry_says_so() -> None:
    known = load(ROOT / "services.yaml")
    assert known.instrumented([]) == known
    changed = known.instrumented(["order-service", "insights-service"])
    services = {service.name: service for service in changed.services}
    for name, prefix in (("order-service", "order"), ("insights-service", "insights")):
        service = services[name]
        assert (service.prefix, service.metrics_path, service.health_path) == (prefix, "/metrics", "/health/ready")
        assert service.requires == next(each for each in known.services if each.name == name).requires
    assert services["user-service"] in known.services
    assert services["insights-service"] in changed.measured
    with pytest.raises(
        InvalidInputError, match=r"instrumentedServices: 'orders' is not in services\.yaml; expected one of gate"
    ):
        known.instrumented(["orders"])


def test_nobody_depends_on_what_is_absent() -> None:
    document = {
        "services": [
            {"name": "a", "port": 1, "requires": ["b"], "uses": ["c"]},
            *({"name": n, "port": 1} for n in "bc"),
        ]
    }
    (left,) = Catalogue.model_validate(document).without(["b", "c"]).services
    assert (left.requires, left.uses) == ((), ())


def test_a_prefix_outlives_the_package() -> None:
    desk = Catalogue(services=(Service(name="order-service", port=1, prefix="desk"),))
    assert desk.instrumented(["order-service"]).services[0].prefix == "desk"


def test_the_package_has_every_bound_that_an_objective_may_name() -> None:
    assert set(LATENCY_BOUNDS) == REQUIRED_BUCKETS
