"""The YAML that people write: read as Pulumi reads it, and refused where that would pass over something in silence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import documents
from settings import KEY, read_config, read_stack
from validation import InvalidInputError


def problem(content: str | bytes, tmp_path: Path) -> str:
    file = tmp_path / "things.yaml"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(InvalidInputError) as error:
        documents.read(file)
    (found,) = error.value.problems
    assert "\n" not in found
    return found


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ("no", "no"),
        ("Yes", "Yes"),
        ("on", "on"),
        ("17:00", "17:00"),
        ("2026-12-25", "2026-12-25"),
        ("1_000", "1_000"),
        ("true", True),
        ("FALSE", False),
        ("", None),
        ("~", None),
        ("0x1f", 31),
        ("0o17", 15),
        ("0777", 511),
        ("-12", -12),
        ("1e3", 1000.0),
        (".5", 0.5),
        (".inf", float("inf")),
        ("12 # twelve", 12),
        ("'12'", "12"),
        ("{<<: {a: 1}, b: 2}", {"a": 1, "b": 2}),
    ],
)
def test_a_value_is_what_pulumi_takes_it_for(written: str, means: Any) -> None:
    found = documents.parse(f"key: {written}", "things.yaml")["key"]
    assert (found, type(found)) == (means, type(means))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", 'things.yaml line 3: the key "a" is there already, in line 1'),
        ("x: {a: 1, a: 2}", 'things.yaml line 1: the key "a" is there already, in line 1'),
        ("a: 1\n---\nb: 2", "not valid YAML: line 2, column 1: expected a single document"),
        ("a:\n\t- b", "not valid YAML: line 2, column 1: "),
        ("a: *nothing", "not valid YAML: line 1, column 4: found undefined alias"),
        ("a: &x [*x]", "an alias is inside what it refers to; write the value out"),
        ("a: !!python/object/apply:os.getcwd []", "could not determine a constructor for the tag"),
        ("a: !!timestamp x", "a value in it is not of the kind that it is marked as"),
        ("a: !!bool x", "a value in it is not of the kind that it is marked as"),
        ("a: !!int x", "a value in it is not of the kind that it is marked as"),
        ("a: " + "9" * 5000, "a value in it is not of the kind that it is marked as"),
        ("? [a]\n: b", "found unhashable key"),
        ("a: [", "not valid YAML: line 2, column 1: "),
        ("a: 'b", "not valid YAML: line 1, column "),
        ("a: \x00", "not valid YAML"),
        ("[" * 60 + "]" * 60, "not valid YAML: nested too deeply"),
        ("[" * 3000 + "]" * 3000, "not valid YAML: nested too deeply"),
        ("a: ö".encode("latin-1"), "things.yaml line 1: the byte 0xf6 is not UTF-8; save the file as UTF-8"),
        ("a: b".encode("utf-16"), "things.yaml: UTF-16 text; save the file as UTF-8"),
    ],
)
def test_what_would_be_passed_over_is_refused_with_its_line(
    content: str | bytes, expected: str, tmp_path: Path
) -> None:
    assert expected in problem(content, tmp_path)


def test_a_file_that_cannot_be_read_is_said_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "directory.yaml").mkdir()
    for name, expected in (("directory.yaml", "cannot be read: Is a directory"), ("none.yaml", "no such file")):
        with pytest.raises(InvalidInputError, match=rf"{name}: {expected}"):
            documents.read(tmp_path / name)


def test_a_byte_order_mark_is_no_content(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbfa: 1")
    assert documents.read(tmp_path / "a.yaml") == {"a": 1}


@pytest.mark.parametrize("content", ["", "# nothing", "config:", "config: {}", "encryptionsalt: x"])
def test_a_stack_file_without_settings_lacks_them(content: str, tmp_path: Path) -> None:
    (tmp_path / "Pulumi.dev.yaml").write_text(content)
    with pytest.raises(InvalidInputError, match=f"{KEY}: missing; "):
        read_stack(tmp_path / "Pulumi.dev.yaml")


@pytest.mark.parametrize("content", ["- a", "a", "3", "config: []\n", "config: [a]", "config: a"])
def test_a_stack_file_of_another_form_says_which(content: str, tmp_path: Path) -> None:
    (tmp_path / "Pulumi.dev.yaml").write_text(content)
    with pytest.raises(InvalidInputError, match=r"expected the key `config`|missing; "):
        read_stack(tmp_path / "Pulumi.dev.yaml")


def test_the_same_cluster_for_every_reader(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.dev.yaml").write_text(f"config:\n  {KEY}: {{cluster: no}}\n")
    assert read_config(tmp_path / "Pulumi.dev.yaml")[KEY] == {"cluster": "no"}
