"""Every object of ours against the API servers' own schemas and those of the operator's resource definitions.

Nothing is stored: each object is sent as it would be to be created, with unknown and duplicate fields refused.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from control_plane.plane import NEWEST, OLDER, ControlPlane, KubectlError, control_plane
from tests.cluster.conftest import STACKS, Rendering, apply_definitions


@pytest.fixture(scope="module", params=[NEWEST, OLDER])
def api_server(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    definitions: list[Path],
    stacks: dict[str, Rendering],
) -> Iterator[ControlPlane]:
    """An API server of each version, with the resource definitions and the namespace."""
    directory = tmp_path_factory.mktemp("validation")
    with control_plane(directory, api_server=request.param, node_count=0) as plane:
        apply_definitions(plane, definitions)
        plane.apply(*stacks["dev"].of("Namespace"))
        yield plane


@pytest.mark.parametrize("stack", STACKS)
def test_every_object_is_accepted(api_server: ControlPlane, stacks: dict[str, Rendering], stack: str) -> None:
    objects = stacks[stack].objects
    assert len(api_server.apply(*objects, dry_run=True).splitlines()) == len(objects) > 30


def test_a_misspelt_key_is_refused_in_every_kind(api_server: ControlPlane, stacks: dict[str, Rendering]) -> None:
    kinds = {item["kind"]: copy.deepcopy(item) for item in stacks["dev"].objects + stacks["prod"].objects}
    for item in kinds.values():
        item.get("spec", item)["misspelt"] = "value"
    with pytest.raises(KubectlError) as error:
        api_server.apply(*kinds.values(), dry_run=True)
    assert len(re.findall(r"misspelt: field not declared in schema", str(error.value))) == len(kinds)
