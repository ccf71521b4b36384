"""The life of both stacks on a real API server, by the user's own commands; what changed is asked of the server.

Real Helm installs the charts: skeletons of them, or with `CHARTS` the real ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import catalogue
from components.protection import NAME
from control_plane.network import PodNetwork
from control_plane.plane import control_plane
from facts import ROOT
from tests.cluster.conftest import NODES
from tests.cluster.deployment import begin
from tests.cluster.shell import Shell, deploying
from tests.sandbox import CANARIES, Edits, Life

DEV, PROD = "Pulumi.dev.yaml", "Pulumi.prod.yaml"
RULES, BOARD, CATALOGUE = "alerts/services.yaml", "dashboards/logs.py", "services.yaml"
NEW = "  - name: billing-service\n    port: 8099\n    prefix: billing\n"
EDITS: Edits = {
    "edited rule": [(RULES, r"for: 5m$", "for: 7m")],
    "edited dashboard": [(BOARD, '"Lines by service"', '"Lines of each service"')],
    "retention and intervals": [
        (DEV, r"metrics: \w+", "metrics: 20d"),
        (DEV, "infrastructure: 15s, applications: 30s", "infrastructure: 20s, applications: 40s"),
    ],
    "new service": [(CATALOGUE, r"^services:\n", f"services:\n{NEW}")],
    "removed service": [(CATALOGUE, re.escape(NEW), "")],
    "refused object": [
        ("components/foundation.py", '"persistentvolumeclaims": "30"', '"persistentvolumeclaims": "many"')
    ],
    "repaired object": [
        ("components/foundation.py", '"persistentvolumeclaims": "many"', '"persistentvolumeclaims": "30"')
    ],
    "failed release": [("components/metrics/component.py", '"retention": REMEMBERED', '"retention": "long"')],
    "repaired release": [("components/metrics/component.py", '"retention": "long"', '"retention": REMEMBERED')],
    "absent service": [(PROD, "insights-service", "insights-service, inventory-service")],
}


def dev_life(life: Life) -> None:
    life.set_secrets(CANARIES)
    life.step("preview", "preview")
    life.step("up", "up")
    life.step("up again", "up")
    life.step("refresh", "refresh")
    life.step("edited rule", "up")
    life.step("edited dashboard", "up")
    life.step("retention and intervals", "up")
    life.step("new service", "up")
    life.step("removed service", "up")
    life.step("refused object", "up")
    life.step("repaired object", "up")
    life.step("failed release", "up")
    life.step("repaired release", "up")
    life.step("destroy", "destroy")


def prod_life(life: Life) -> None:
    """Secrets are set, and the stack is let go of, as docs/deploying.md says."""
    init, *set_secrets = deploying("EKS")
    assert init == "pulumi stack init prod"  # which has been done
    shell = Shell(life.sandbox)
    for line in set_secrets:
        shell.run(line, text=CANARIES[line.split()[-1]])
    life.step("preview", "preview")
    life.step("up", "up")
    life.step("up again", "up")
    life.step("refresh", "refresh")
    life.step("refused destroy", "destroy")
    life.step("refused destroy without preview", "destroy", skip_preview=True)
    life.step("absent service", "up")
    for line in deploying("Removing a stack"):
        shell.run(line)
    life.step("what is left", "preview")


LIVES: dict[str, Callable[[Life], None]] = {"dev": dev_life, "prod": prod_life}


@pytest.fixture(scope="module")
def lives(network: PodNetwork | None, charts: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Life]:
    """Both lives, side by side, each on a control plane of its own."""

    def live(stack: str, root: Path) -> Life:
        with control_plane(root / "plane", node_count=NODES, network=network) as plane:
            life = begin(root, stack, plane, charts, EDITS)
            LIVES[stack](life)
        return life

    with ThreadPoolExecutor() as threads:
        runs = {stack: threads.submit(live, stack, tmp_path_factory.mktemp(stack)) for stack in LIVES}
    return {stack: run.result() for stack, run in runs.items()}


@pytest.fixture
def dev(lives: dict[str, Life]) -> Life:
    return lives["dev"]


@pytest.fixture
def prod(lives: dict[str, Life]) -> Life:
    return lives["prod"]


@pytest.fixture(params=list(LIVES))
def life(lives: dict[str, Life], request: pytest.FixtureRequest) -> Life:
    return lives[request.param]


def difference(before: Life, earlier: str, later: str) -> set[str]:
    """What is not the same after a step as after an earlier one."""
    return {key for key, _ in before[earlier].objects.items() ^ before[later].objects.items()}


def replaced(life: Life, earlier: str, later: str) -> set[str]:
    """What is there after both steps, but is another object."""
    then, now = life[earlier].objects, life[later].objects
    return {key for key in then.keys() & now.keys() if then[key].split()[0] != now[key].split()[0]}


def test_every_step_but_the_refused_ones_succeeds(dev: Life, prod: Life) -> None:
    errors = {step: result.error for life in (dev, prod) for step, result in life.items() if result.error}
    assert list(errors) == ["refused object", "failed release", "refused destroy", "refused destroy without preview"], (
        errors
    )


def test_a_preview_plans_exactly_what_up_does_and_writes_nothing(life: Life) -> None:
    assert life["preview"].changes.urns == life["up"].changes.urns
    assert life["preview"].objects == {}
    assert len(life["up"].objects) > 100
    assert {"create"} == set(life["up"].changes.counts)


def test_nothing_of_it_is_left_unfinished(life: Life) -> None:
    releases = [key for key in life["up"].objects if key.startswith("Release/")]
    assert len(releases) == {"dev": 7, "prod": 8}[life.stack]
    assert all(key.startswith("Release/deployed/") for key in releases)


def test_a_second_up_changes_nothing(life: Life) -> None:
    assert life["up again"].changed == []
    assert difference(life, "up", "up again") == set()


def test_a_refresh_finds_no_drift(life: Life) -> None:
    assert life["refresh"].changed == []
    assert difference(life, "up", "refresh") == set()


def test_an_edited_rule_updates_exactly_its_object(dev: Life) -> None:
    assert dev["edited rule"].changed == ["PrometheusRule::rules-services"]
    (paths,) = dev["edited rule"].changes.paths.values()
    assert len(paths) == 1
    assert paths[0].endswith(".for")
    assert difference(dev, "refresh", "edited rule") == {"PrometheusRule/monitoring/order-processor-services"}
    assert replaced(dev, "refresh", "edited rule") == set()


def test_an_edited_dashboard_is_updated_in_place(dev: Life) -> None:
    assert difference(dev, "edited rule", "edited dashboard") == {"ConfigMap/monitoring/dashboard-logs"}
    assert replaced(dev, "edited rule", "edited dashboard") == set()


def test_retention_and_intervals_are_updated_in_place_where_they_reach(dev: Life) -> None:
    services = catalogue.load(ROOT / "services.yaml").services
    monitored = {
        "Probe::probe-redis-probe",
        *(f"Probe::probe-{service.name}" for service in services),
        *(f"ServiceMonitor::servicemonitor-{service.name}" for service in services if service.prefix),
    }
    releases = {"kube-prometheus-stack", "kubernetes-events", "log-agent", "loki", "tempo"}
    assert set(dev["retention and intervals"].changed) == {
        "ConfigMap::grafana-datasources",  # which names the interval
        *(f"Release::{name}" for name in releases),
        *monitored,
    }
    assert replaced(dev, "edited dashboard", "retention and intervals") == set()
    assert "Prometheus/monitoring/kube-prometheus-stack-prometheus" in difference(
        dev, "edited dashboard", "retention and intervals"
    )


def test_a_removed_service_leaves_all_as_it_was_before_it_came(dev: Life) -> None:
    came = {f"{kind}/monitoring/billing-service" for kind in ("Probe", "ServiceMonitor")}
    assert dev["new service"].objects.keys() - dev["retention and intervals"].objects.keys() == came
    coloured = ("infrastructure", "logs", "monitoring", "service-detail", "system-health")  # each service has a colour
    assert difference(dev, "retention and intervals", "new service") == came | {
        *(f"ConfigMap/monitoring/dashboard-{uid}" for uid in coloured),
        "NetworkPolicy/monitoring/prometheus",  # the first service of this stack whose own page Prometheus scrapes
        "PrometheusRule/monitoring/order-processor-normalisation",
    }
    assert difference(dev, "retention and intervals", "removed service") == set()


def test_an_object_that_the_api_server_refuses_is_named_and_changes_nothing_else(dev: Life) -> None:
    assert "bounds" in dev["refused object"].error
    assert "quantities must match" in dev["refused object"].error
    assert difference(dev, "removed service", "refused object") == set()
    assert difference(dev, "removed service", "repaired object") == set()


def test_a_release_that_fails_is_rolled_back_and_the_next_up_succeeds(dev: Life) -> None:
    assert "rolled back due to atomic" in dev["failed release"].error
    assert "alertmanager" in dev["failed release"].error.lower()
    assert difference(dev, "removed service", "failed release") == set()
    assert difference(dev, "removed service", "repaired release") == set()


def test_a_destroy_without_protection_leaves_nothing(dev: Life) -> None:
    assert dev["destroy"].objects == {}


def test_nothing_is_destroyed_while_the_stack_is_protected(prod: Life) -> None:
    for step in ("refused destroy", "refused destroy without preview"):
        assert NAME in prod[step].error, step
        assert difference(prod, "up", step) == set(), step


def test_a_service_leaves_a_protected_stack(prod: Life) -> None:
    gone = prod["up"].objects.keys() - prod["absent service"].objects.keys()
    assert gone == {f"{kind}/monitoring/inventory-service" for kind in ("Probe", "ServiceMonitor")}


def test_what_holds_data_stays_when_only_the_guard_is_taken_away(prod: Life) -> None:
    left = prod["what is left"].objects.keys()
    assert {"Namespace/_/monitoring", "StorageClass/_/gp3", "Release/deployed/prometheus-operator-crds"} <= left
    assert [key for key in left if key.startswith("aws.s3.Bucket/")]
    assert not [key for key in left if key.startswith(("ConfigMap/", "PrometheusRule/", "Secret/", "StatefulSet/"))]
