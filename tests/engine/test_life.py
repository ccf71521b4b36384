"""The life of both stacks by the user's own commands, from `pulumi stack init` to `pulumi destroy`, in seconds.

They run in copies of the project, with Pulumi.yaml and Pulumi.<stack>.yaml as they stand. What only a real API server
shows, such as what is protected and what an edit replaces, is in tests/cluster/test_life.py.
"""

from __future__ import annotations

import base64
import gzip
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from control_plane.plane import CONTEXT
from settings import KEY
from tests.sandbox import CANARIES, REQUIRED, Edits, Life, Sandbox, files

DEV = "Pulumi.dev.yaml"
REFUSE = "../state/cluster/refuse"
EDITS: Edits = {
    "metrics retention": [(DEV, r"metrics: \w+", "metrics: 20d")],
    "moved volumes": [(DEV, "kind: local", "kind: local\n      node: worker-1")],
    "logs retention": [(DEV, r"logs: \w+", "logs: 3d"), (DEV, "node: worker-1", "protect: true")],
    "protection off": [(DEV, "protect: true", "protect: false")],
    "refused object": [(REFUSE, "^", "Secret/alertmanager-credentials")],
    "recovery": [(REFUSE, "^Secret/.*", "")],
}


def begin(root: Path, stack: str) -> Life:
    sandbox = Sandbox(root)
    sandbox.cluster.mkdir(parents=True)
    (sandbox.cluster / "refuse").touch()
    return Life(sandbox, stack, EDITS)


def dev_life(root: Path) -> Life:
    life = begin(root, "dev")
    life.set_secrets(CANARIES)
    life.sandbox.engine.configure("dev", f"{KEY}.kubeContext", CONTEXT, path=True)
    life.step("preview", "preview")
    life.step("up", "up", diff=True)  # which shows every property
    life.resources = life.sandbox.engine.resources("dev")
    life.step("up again", "up")
    life.step("refresh", "refresh")
    life.step("metrics retention", "up")
    life.step("moved volumes", "preview")
    life.step("logs retention", "up")
    life.step("protection off", "up")
    life.step("first destroy", "destroy")
    life.step("refused object", "up")
    life.step("recovery", "up")
    return life


def prod_life(root: Path) -> Life:
    life = begin(root, "prod")
    life.step("up without secrets", "up")
    life.set_secrets(REQUIRED)
    life.step("preview", "preview")
    life.step("up", "up")
    life.step("up again", "up")
    life.step("preview again", "preview", expect_no_changes=True)
    life.step("refresh", "refresh")
    life.step("destroy of what the guard leaves", "destroy", exclude_protected=True)
    life.step("up after it", "up")
    return life


@pytest.fixture(scope="module")
def lives(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Life]:
    """Both lives, side by side."""
    of: dict[str, Callable[[Path], Life]] = {"dev": dev_life, "prod": prod_life}
    with ThreadPoolExecutor() as threads:
        runs = {stack: threads.submit(live, tmp_path_factory.mktemp(stack)) for stack, live in of.items()}
    return {stack: run.result() for stack, run in runs.items()}


@pytest.fixture
def dev(lives: dict[str, Life]) -> Life:
    return lives["dev"]


@pytest.fixture
def prod(lives: dict[str, Life]) -> Life:
    return lives["prod"]


@pytest.fixture(params=["dev", "prod"])
def life(lives: dict[str, Life], request: pytest.FixtureRequest) -> Life:
    return lives[request.param]


def test_every_step_but_the_refused_ones_succeeds(dev: Life, prod: Life) -> None:
    errors = {step: result.error for life in (dev, prod) for step, result in life.items() if result.error}
    assert list(errors) == ["refused object", "up without secrets"], errors


def test_a_preview_plans_exactly_what_up_does_and_writes_nothing(life: Life) -> None:
    assert life["preview"].changes.urns == life["up"].changes.urns
    assert set(life["up"].changes.counts) == ({"create"} if life.stack == "dev" else {"create", "same"})
    assert life["up"].changes.counts.get("same", 1) == 1  # the stack itself, which a refused run had created
    assert life["preview"].objects == {}
    assert len(life["up"].objects) > 40


def test_a_second_up_changes_nothing(life: Life) -> None:
    assert life["up again"].changed == []
    assert life["up again"].changes.urns["same"] == set().union(*life["up"].changes.urns.values())


def test_a_refresh_finds_no_drift(life: Life) -> None:
    assert life["refresh"].changed == []
    assert life["refresh"].objects == life["up"].objects


def test_a_setting_that_was_set_by_its_path_reaches_the_program(dev: Life) -> None:
    (cluster,) = (item for item in dev.resources if item["type"] == "pulumi:providers:kubernetes")
    assert cluster["inputs"]["context"] == CONTEXT


def test_a_missing_secret_refuses_and_deploys_nothing(prod: Life) -> None:
    refused = prod["up without secrets"]
    assert refused.objects == {}
    assert "the input is not valid; nothing was deployed" in refused.error
    assert [key for key in REQUIRED if key in refused.error] == REQUIRED


def test_a_retention_updates_exactly_what_it_belongs_to(dev: Life) -> None:
    assert dev["metrics retention"].changed == ["Release::kube-prometheus-stack"]
    paths = list(dev["metrics retention"].changes.paths.values())
    assert paths == [["values.prometheus.prometheusSpec.retention"]]
    # Links from a log line reach back as far as logs are kept.
    assert dev["logs retention"].changed == ["ConfigMap::grafana-datasources", "Release::loki"]


def test_moving_volumes_reinstalls_nothing_that_writes_to_them(dev: Life) -> None:
    kinds = {name.split("::")[0] for name in dev["moved volumes"].changed}
    assert kinds == {"PersistentVolume", "Job"}


def test_a_destroy_that_excludes_the_protected_leaves_a_protected_stack_alone(prod: Life) -> None:
    assert len(prod["up"].objects) > 50
    assert prod["destroy of what the guard leaves"].objects == prod["up"].objects
    assert prod["up after it"].changed == []


def test_a_stack_goes_wholly_once_the_setting_is_off(dev: Life) -> None:
    assert dev["protection off"].changed == []
    assert dev["first destroy"].objects == {}


def test_a_refused_object_stops_what_needs_it_and_the_next_up_recovers(dev: Life) -> None:
    failed, recovered = dev["refused object"], dev["recovery"]
    assert "alertmanager-credentials" in failed.error
    assert "denied the request" in failed.error
    stack = "Release/monitoring/kube-prometheus-stack"
    assert stack not in failed.objects
    assert stack in recovered.objects
    assert recovered.objects.keys() == dev["up"].objects.keys()


def test_what_others_need_is_created_first(life: Life) -> None:
    created = [(entry["type"].rpartition(":")[2], entry["name"]) for entry in life.sandbox.operations()]
    order = {key: position for position, key in reversed(list(enumerate(created)))}  # each one's first time
    stack = order["Release", "kube-prometheus-stack"]
    definitions = order["Release", "prometheus-operator-crds"]
    assert order["Namespace", "monitoring"] < definitions < stack
    for kind in ("PrometheusRule", "ServiceMonitor", "Probe"):
        assert all(definitions < position for key, position in order.items() if key[0] == kind)
    for kind in ("Secret", "PersistentVolume"):
        assert all(position < stack for key, position in order.items() if key[0] == kind)
    assert order["Release", "loki"] < order["Release", "log-agent"]


def test_no_secret_is_readable_outside_the_cluster(life: Life) -> None:
    told = [text for result in life.values() for text in (*result.output, result.events, result.error)]
    kept = [path for path in life.sandbox.root.rglob("*") if path.is_file()]
    kept = [path for path in kept if not path.is_relative_to(life.sandbox.cluster)]
    assert any(f"{life.stack}.json" in path.name for path in kept)
    for key, canary in CANARIES.items():
        for form in (canary, base64.b64encode(canary.encode()).decode()):
            assert not [text for text in told if form in text], key
            assert not [path for path in kept if form.encode() in content(path)], key


def content(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data


def test_the_project_is_left_as_it_was_but_for_the_stacks_configuration(life: Life) -> None:
    after = files(life.sandbox.project)
    assert life.original.keys() == after.keys()
    assert {name for name in after if after[name] != life.original[name]} == life.edited - {REFUSE}


def test_the_state_is_its_owners_alone(life: Life) -> None:
    for path in (life.sandbox.cluster, life.sandbox.state / "engine"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert stat.S_IMODE((life.sandbox.state / "engine" / "passphrase").stat().st_mode) == 0o600


def test_the_stand_ins_say_that_they_are(life: Life) -> None:
    assert any("kubernetes: a stand-in" in line for line in life["up"].output)
