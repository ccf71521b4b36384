"""The life of the dev stack under the real engine, from the first preview to the last destroy."""

from __future__ import annotations

import base64
import gzip
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.engine.conftest import CANARIES, Result, Sandbox, copied

DEV = "Pulumi.dev.yaml"


def edit(file: str, pattern: str, replacement: str) -> dict[str, str]:
    return {"file": file, "pattern": pattern, "replacement": replacement}


ELSEWHERE = """\
  order-processor-monitoring:slackWebhookUrl: { secure: v1:bm93aGVyZQ==:bm90aGluZw== }
encryptionsalt: v1:bm93aGVyZQ==:v1:bm90aGluZw==:bm90aGluZw==
"""
"""What `pulumi config set --secret` leaves in the file of a stack that was deployed somewhere else."""

REFUSE = "../state/cluster/refuse"
STEPS: dict[str, dict[str, Any]] = {
    "preview": {"operation": "preview"},
    "up": {"operation": "up", "arguments": {"diff": True}},  # which shows every property
    "up again": {"operation": "up"},
    "edited rule": {"operation": "up", "edit": [edit("alerts/services.yaml", r"for: \w+$", "for: 7m")]},
    "metrics retention": {"operation": "up", "edit": [edit(DEV, r"metrics: \w+", "metrics: 20d")]},
    "moved volumes": {"operation": "preview", "edit": [edit(DEV, r"kind: local", "kind: local\n      node: worker-1")]},
    "logs retention": {
        "operation": "up",
        "edit": [edit(DEV, r"logs: \w+", "logs: 3d"), edit(DEV, r"      node: worker-1\n", "")],
    },
    "first destroy": {"operation": "destroy"},
    "refused object": {"operation": "up", "edit": [edit(REFUSE, "^", "Secret/alertmanager-credentials")]},
    "recovery": {"operation": "up", "edit": [edit(REFUSE, "^Secret/.*", "")]},
    "destroy": {"operation": "destroy"},
}


class Life(dict[str, Result]):
    """The result of each step."""

    sandbox: Sandbox


@pytest.fixture(scope="module")
def life(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Life:
    sandbox = copied(original, tmp_path_factory.mktemp("life"))
    sandbox.cluster.mkdir(parents=True)
    (sandbox.cluster / "refuse").touch()
    with (sandbox.project / DEV).open("a") as file:
        file.write(ELSEWHERE)
    life = Life(zip(STEPS, sandbox.run(*STEPS.values()), strict=True))
    life.sandbox = sandbox
    return life


def test_every_step_but_the_refused_one_succeeds(life: Life) -> None:
    errors = {step: result.error for step, result in life.items() if result.error}
    assert list(errors) == ["refused object"], errors


def test_a_preview_plans_exactly_what_up_does_and_writes_nothing(life: Life) -> None:
    assert life["preview"].urns == life["up"].urns
    assert set(life["up"].urns) == {"create"}
    assert life["preview"].objects == []
    assert len(life["up"].objects) > 40


def test_a_second_up_changes_nothing(life: Life) -> None:
    assert life["up again"].changed == []
    assert life["up again"].urns["same"] == life["up"].urns["create"]


def test_an_edited_rule_updates_exactly_its_object(life: Life) -> None:
    assert life["edited rule"].changed == ["PrometheusRule::rules-services"]
    (paths,) = life["edited rule"].paths.values()
    assert len(paths) == 1
    assert paths[0].endswith(".for")


def test_a_retention_updates_exactly_what_it_belongs_to(life: Life) -> None:
    assert life["metrics retention"].changed == ["Release::kube-prometheus-stack"]
    assert list(life["metrics retention"].paths.values()) == [["values.prometheus.prometheusSpec.retention"]]
    # Links from a log line reach back as far as logs are kept.
    assert life["logs retention"].changed == ["ConfigMap::grafana-datasources", "Release::loki"]


def test_moving_volumes_reinstalls_nothing_that_writes_to_them(life: Life) -> None:
    kinds = {name.split("::")[0] for name in life["moved volumes"].changed}
    assert kinds == {"PersistentVolume", "Job"}


def test_a_refused_object_stops_what_needs_it_and_the_next_up_recovers(life: Life) -> None:
    failed, recovered = life["refused object"], life["recovery"]
    assert "alertmanager-credentials" in failed.error
    assert "denied the request" in failed.error
    stack = "Release/monitoring/kube-prometheus-stack.yaml"
    assert stack not in failed.objects
    assert stack in recovered.objects
    assert recovered.objects == life["up"].objects


def test_a_destroy_without_protection_leaves_nothing(life: Life) -> None:
    assert life["destroy"].objects == []


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
    told = [text for result in life.values() for text in (*result.output, *result.events, result.error)]
    kept = [path for path in life.sandbox.root.rglob("*") if path.is_file()]
    assert any("dev.json" in path.name for path in kept)
    for key, canary in CANARIES.items():
        for form in (canary, base64.b64encode(canary.encode()).decode()):
            assert not [text for text in told if form in text], key
            assert not [path for path in kept if form.encode() in content(path)], key


def content(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data


def test_the_project_is_left_as_it_was(life: Life, original: Path) -> None:
    def files(tree: Path) -> dict[str, bytes]:
        return {str(path.relative_to(tree)): path.read_bytes() for path in tree.rglob("*") if path.is_file()}

    before, after = files(original), files(life.sandbox.project)
    assert before.keys() == after.keys()
    edited = {change["file"] for step in STEPS.values() for change in step.get("edit", [])}
    assert {name for name in before if before[name] != after[name]} == edited - {REFUSE}


def test_the_state_is_its_owners_alone(life: Life) -> None:
    for path in (life.sandbox.cluster, life.sandbox.state / "engine"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert stat.S_IMODE((life.sandbox.state / "engine" / "passphrase").stat().st_mode) == 0o600


def test_the_stand_ins_say_that_they_are(life: Life) -> None:
    assert any("kubernetes: a stand-in" in line for line in life["up"].output)


def test_values_encrypted_for_somewhere_else_stay_out(life: Life) -> None:
    assert ELSEWHERE in (life.sandbox.project / DEV).read_text()
    assert "bm93aGVyZQ==" not in (life.sandbox.state / "engine" / "workspace" / DEV).read_text()
