"""Objects are compared by what they mean: what an API server writes differently is no difference."""

from __future__ import annotations

from typing import Any

import pytest

from verify.comparison import differences
from verify.program import ACCOUNT, PLACEHOLDER


@pytest.mark.parametrize(
    ("wanted", "present"),
    [
        ({"cpu": "1000m"}, {"cpu": "1"}),
        ({"memory": "1024Mi"}, {"memory": "1Gi"}),
        ({"memory": "0.5Gi"}, {"memory": "512Mi"}),
        ({"pods": 30}, {"pods": "30"}),
        ({"storage": "1e3"}, {"storage": "1e3"}),
        ({"a": 1}, {"a": 1.0}),
        ({"a": {}, "b": [], "c": "", "d": None, "e": False, "f": 0}, {}),
        ({"a": None}, {"a": "the server's default"}),
        ({"a": [{"b": 1}]}, {"a": [{"b": 1, "default": True}], "status": {}}),
        ({"selector": {"app": "a"}}, {"selector": {"app": "a"}}),
        ({"podSelector": {}}, {"podSelector": {}}),
        ({"role": f"arn:aws:iam::{ACCOUNT}:role"}, {"role": "arn:aws:iam::998877665544:role"}),
        ({"key": f"{PLACEHOLDER}-key"}, {"key": "another"}),
    ],
)
def test_another_spelling_of_the_same_is_no_difference(wanted: Any, present: Any) -> None:
    assert list(differences(wanted, present)) == []


@pytest.mark.parametrize(
    ("wanted", "present", "said"),
    [
        ({"cpu": "100m"}, {"cpu": "1"}, "cpu should be '100m' and is '1'"),
        ({"for": "5m"}, {"for": "5M"}, "for should be '5m' and is '5M'"),
        ({"a": True}, {"a": 1}, "a should be True and is 1"),
        ({"a": {"b": 1}}, {}, "a.b should be 1 and is None"),
        ({"a": {"b": 1}}, {"a": "text"}, "a should be {'b': 1} and is 'text'"),
        ({"a": [1, 2]}, {"a": [1]}, "the length of a should be 2 and is 1"),
        ({"a": "x" * 100}, {"a": "y"}, "a is another"),
        ({"podSelector": {}}, {"podSelector": {"app": "a"}}, "podSelector.app was added"),
        ({"selector": {"matchLabels": {"a": "b"}}}, {"selector": {"matchLabels": {"a": "b", "c": "d"}}}, "was added"),
        ({"key": f"{PLACEHOLDER}-key"}, {}, "key should be"),
    ],
)
def test_a_difference_is_named_with_its_place(wanted: Any, present: Any, said: str) -> None:
    (difference,) = differences(wanted, present)
    assert said in str(difference)


def test_more_than_was_said_is_a_difference_only_where_nothing_is_completed() -> None:
    assert list(differences({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}})) == []
    (difference,) = differences({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}}, complete=True)
    assert str(difference) == "a.c was added"
