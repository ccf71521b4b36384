"""Settings that the rehearsal gives a stack in place of the project's."""

from __future__ import annotations

import yaml

from tests.engine.conftest import Sandbox

UP = {"operation": "up"}


def test_they_reach_the_program_beside_the_projects_own(small: Sandbox) -> None:
    small.edit("Pulumi.dev.yaml", "{things: 40}", "{things: 40, cluster: dev}")
    (few,) = small.run(UP, settings={"small:stack": {"things": 2}})
    assert few.objects == ["Thing/default/hidden.yaml", "Thing/default/thing-0.yaml", "Thing/default/thing-1.yaml"]
    written = yaml.safe_load((small.state / "engine" / "workspace" / "Pulumi.dev.yaml").read_text())
    assert written["config"] == {"small:stack": {"things": 2, "cluster": "dev"}}
    (all_of_them,) = small.run(UP)
    assert len(all_of_them.objects) == 41
