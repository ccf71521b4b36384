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
        ("a: 1\nb: 2\na: 3\n", 'things.yaml:3: the key "a" is there already, in line 1'),
        ("x: {a: 1, a: 2}", 'things.yaml:1: the key "a" is there already, in line 1'),
        ("a: 1\nb: 1\n---\nc: 1\n", ':3: not valid YAML: a second document begins here; remove "---"'),
        (
            "a: 1\nb: [x, #y]\nc: 3\n",
            ':2: not valid YAML: the "[" here is not closed, or a comma is missing up to line 3',
        ),
        ("a: 1\nb: {x: #y}\nc: 3\n", "a # begins a comment unless it is in quotes"),
        ("a: 1\nb: [x, y\nc: 3\nd: 4\n", ':2: not valid YAML: the "[" here is not closed'),
        ("a: 1\nb: { x: 1,\n  y: 2\nc: 3\n", ':2: not valid YAML: the "{" here is not closed'),
        ("a: 1\r\nb: [x\r\nc: 3\r\n", ':2: not valid YAML: the "[" here is not closed'),
        ("a: 1\nb: {x: 1 y: 2}\n", "or a comma is missing up to line 2"),
        ("a: 1\nb: 'x\nc: 3\nd: 4\n", ":2: not valid YAML: the quote that begins here is not closed"),
        ('a: 1\nb: "x\nc: 3\nd: 4\n', ":2: not valid YAML: the quote that begins here is not closed"),
        ("a: 1\nb: 'x' y\nc: 1\n", ":2: not valid YAML: no key is expected here; check the indentation, and quotes"),
        ("a: 1\nb: [x]]\nc: 1\n", ":2: not valid YAML: no key is expected here"),
        ('a: 1\nb: "\\d"\n', ":2: not valid YAML: in double quotes a backslash begins an escape; use single quotes"),
        ("a: 1\nb:\n\tc: 1\nd: 4\n", ":3: not valid YAML: indent with spaces, not with a tab"),
        ("a: 1\nb: 2\n  c: 1\n", ':3: not valid YAML: a second ": "; write the value in quotes, or indent it right'),
        ("a: 1\nb: c: d\n", ':2: not valid YAML: a second ": "'),
        ("a:\n    b: 2\n  d: 1\n", ":3: not valid YAML: no key is expected here; check the indentation"),
        ("- a\n- b\nc: 1\n", ':3: not valid YAML: expected "- " as above; check the indentation'),
        ("a: 1\nb:2\nc: 4\n", ':2: not valid YAML: expected ": " behind this key'),
        ("a: 1\nb\n", ':2: not valid YAML: expected ": " behind this key'),
        ("a: 1\nb: @x\n", ':2: not valid YAML: a value cannot begin with "@"; write it in quotes'),
        ("a: 1\nb: *x\n", ":2: not valid YAML: a value that begins with * refers to nothing; write it in quotes"),
        ("a: 1\nb: !x\n", ":2: not valid YAML: unknown tag '!x'; write a value that begins with ! in quotes"),
        ("a: 1\nb: &x [*x]\n", ":2: not valid YAML: an alias is inside what it refers to; write the value out"),
        ("a: !!python/object/apply:os.getcwd []", ":1: not valid YAML: unknown tag"),
        ("a: 1\nb: !!timestamp x", ":2: not valid YAML: a value that is not of the kind that it is marked as"),
        ("a: 1\nb: !!bool x", ":2: not valid YAML: a value that is not of the kind that it is marked as"),
        ("a: 1\nb: !!int x", ":2: not valid YAML: a value that is not of the kind that it is marked as"),
        ("a: " + "9" * 5000, "a value that is not of the kind that it is marked as"),
        ("a: 1\n? [a]\n: b", ":2: not valid YAML: a list or a map is no key; write it in quotes"),
        ("a: {{ x }}", ":1: not valid YAML: a list or a map is no key; write it in quotes"),
        ("a: ö\nb: \x00", ":2: not valid YAML: a control character; remove it"),
        ("[" * 60 + "]" * 60, ":1: not valid YAML: nested too deeply"),
        ("[" * 3000 + "]" * 3000, "not valid YAML: nested too deeply"),
        ("a: ö".encode("latin-1"), "things.yaml:1: the byte 0xf6 is not UTF-8; save the file as UTF-8"),
        ("a: b".encode("utf-16"), "things.yaml: UTF-16 text; save the file as UTF-8"),
    ],
)
def test_what_would_be_passed_over_is_refused_with_the_line_in_which_it_begins(
    content: str | bytes, expected: str, tmp_path: Path
) -> None:
    assert expected in problem(content, tmp_path)


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (("a",), 1),
        (("b", "c"), 3),
        (("b", "d", 1), 6),
        (("b", "d", 1, "e"), 7),
        (("b", "d", 1, "kind", "e"), 7),
        (("b", "d", 9), 4),
        (("b", "missing"), 2),
        (("missing",), None),
        ((), None),
    ],
)
def test_each_key_has_its_line_and_a_missing_one_that_of_its_section(
    keys: tuple[int | str, ...], line: int | None, tmp_path: Path
) -> None:
    (tmp_path / "a.yaml").write_text("a: 1\nb:\n  c: 2\n  d:\n  - 1\n  - f: 2\n    e: 3\n")
    assert documents.places(tmp_path / "a.yaml")(keys) == (f"a.yaml:{line}: " if line else "a.yaml: ")
    if keys[:1] == ("b",):
        assert documents.places(tmp_path / "a.yaml", below=("b",))(keys[1:]) == f"a.yaml:{line}: "


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
    with pytest.raises(InvalidInputError, match=f"Pulumi.dev.yaml: {KEY}: missing; "):
        read_stack(tmp_path / "Pulumi.dev.yaml")


def test_what_is_wrong_in_a_stack_file_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.dev.yaml").write_text(
        f"config:\n  {KEY}:\n    platform: kind\n    cluster: dev\n    links:\n      runbooks: https://r.test\n"
        "    retention:\n      metrcs: 15d\n"
    )
    with pytest.raises(InvalidInputError) as error:
        read_stack(tmp_path / "Pulumi.dev.yaml")
    assert sorted(error.value.problems) == [
        f"Pulumi.dev.yaml:2: {KEY} notifications: missing; it has no default",
        f'Pulumi.dev.yaml:8: {KEY} retention.metrcs: unknown key; did you mean "metrics"? '
        "allowed: logs, logsByService, metrics",
    ]


@pytest.mark.parametrize("content", ["- a", "a", "3", "config: []\n", "config: [a]", "config: a"])
def test_a_stack_file_of_another_form_says_which(content: str, tmp_path: Path) -> None:
    (tmp_path / "Pulumi.dev.yaml").write_text(content)
    with pytest.raises(InvalidInputError, match=r"expected the key `config`|missing; "):
        read_stack(tmp_path / "Pulumi.dev.yaml")


def test_the_same_cluster_for_every_reader(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.dev.yaml").write_text(f"config:\n  {KEY}: {{cluster: no}}\n")
    assert read_config(tmp_path / "Pulumi.dev.yaml")[KEY] == {"cluster": "no"}
