"""What an operator sees of every panel: a change of it is seen, and wanted."""

from __future__ import annotations

import pytest
import yaml

from checks import drawings

COMMITTED = yaml.safe_load(drawings.FILE.read_text())
NOW = drawings.seen()


@pytest.mark.parametrize("board", sorted(NOW.keys() | COMMITTED.keys()))
def test_every_panel_is_seen_as_it_is_committed(board: str) -> None:
    before, after = COMMITTED.get(board, {}), NOW.get(board, {})
    changed = [
        f"{title}\n  was {before.get(title)}\n  now {after.get(title)}"
        for title in dict.fromkeys([*before, *after])
        if before.get(title) != after.get(title)
    ]
    name = drawings.FILE.name
    assert not changed, "\n".join(
        [f"{name} is not what is seen now. If that is intended: {drawings.COMMAND}", *changed]
    )


def test_the_command_writes_what_is_compared() -> None:
    assert yaml.safe_load(drawings.text()) == NOW
