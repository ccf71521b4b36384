"""What `make drift` goes by: whether the engine notices what was deleted by hand.

The stand-in of the provider sees no more of an object than whether it is there; tests/cluster has the official one.
"""

from __future__ import annotations

from tests.sandbox import Sandbox


def test_what_was_deleted_by_hand_is_noticed_with_a_refresh_alone(small: Sandbox) -> None:
    small.engine.up("dev")
    assert small.do("preview", expect_no_changes=True, refresh=True).error == ""
    (path,) = small.cluster.glob("Thing/*/thing-7.yaml")
    path.unlink()
    assert small.do("preview", expect_no_changes=True).error == "", "then why refresh?"
    assert "no changes were expected" in small.do("preview", expect_no_changes=True, refresh=True).error
