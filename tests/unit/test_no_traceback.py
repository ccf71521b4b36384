"""Whatever is written into an input or a command line, the answer is a message with a remedy and never a traceback.

A thousand inputs in all, each made from a real one by a mistake that people make, or that happens to files.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

import catalogue
import dashboards
import rehearsal.__main__
import report.__main__
import review.__main__
import settings
import verify.context
from components.alerting import routing, rules
from components.logs.agent import agent_configuration
from engine import render
from facts import ROOT
from validation import InvalidInputError

STACKS = {stack: (ROOT / f"Pulumi.{stack}.yaml").read_text() for stack in ("dev", "prod")}
SERVICES, EVENTS = ((ROOT / name).read_text() for name in ("services.yaml", "events.yaml"))
RULES = {path.name: path.read_text() for path in rules.files(ROOT / "alerts")}
KNOWN = catalogue.load(ROOT / "services.yaml")

ODD: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(
        [
            None,
            True,
            False,
            "yes",
            "",
            " ",
            "no",
            0,
            -1,
            1020,
            65536,
            10**400,
            0.2,
            float("nan"),
            float("inf"),
            "1s",
            "15250w",
            "999999w",
            "1Mi",
            "0",
            "1m",
            "ö",
            "a\nb",
            "a: b",
            "$(id)",
            "{{ .x }}",
            "*order(",
            "[1h30m]",
            "https://",
            "https://u:p@h",
            "http://[::1",
            "localtime",
            "24:00",
            "2026-02-30",
            [],
            [""],
            [[]],
            [None, None],
            ["a", "a"],
            {},
            {"": ""},
            {1: 2},
            {"a": {"b": {"c": []}}},
        ]
    ),
    st.text(max_size=20),
    st.integers(),
    st.floats(),
    st.recursive(
        st.none() | st.booleans() | st.text(max_size=5),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=5,
    ),
)
"""Values that stand where others belong."""

BYTES = st.sampled_from(
    [
        *(
            b"\t",
            b"\x00",
            b"\xff",
            b"\xfe\xff",
            b"---\n",
            b"\n---\n",
            b"&a ",
            b"*a ",
            b"*b ",
            b"<<: ",
            b"!!set ",
            b"? ",
        ),
        *(b"!!python/name:os.system ", b"!!binary ", b"!!timestamp ", b"[", b"]", b"{", b"}", b"'", b'"', b"|", b">"),
        *(b"%YAML 1.1\n", b"#", b"...\n", b"\r\n", b"\xef\xbb\xbf", b": ", b"- ", b"  ", b"@", b"`", b"\xe2\x80\xa8"),
        b"9" * 5000,
    ]
)
"""What does not belong into a file of YAML, or not there."""


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of everything in a document."""
    yield path
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*path, key))


@st.composite
def mistaken(draw: st.DrawFn, text: str) -> bytes:
    """The text of a file with a mistake or two: values replaced, removed, renamed, or bytes put into it."""
    if draw(st.integers(0, 3)) == 0:
        content = text.encode()
        for _ in range(draw(st.integers(1, 3))):
            at = draw(st.integers(0, len(content)))
            until = draw(st.integers(at, min(len(content), at + 40)))
            content = content[:at] + draw(BYTES | st.binary(max_size=3)) + content[until:]
        return content
    document = yaml.load(text, Loader=yaml.CSafeLoader)
    for _ in range(draw(st.integers(1, 2))):
        document = changed(draw, document)
    written: str = yaml.dump(document, Dumper=yaml.CSafeDumper, allow_unicode=True)
    return written.encode("utf-8", errors="surrogatepass")


def changed(draw: st.DrawFn, document: Any) -> Any:
    document = copy.deepcopy(document)
    *above, last = draw(st.sampled_from(list(places(document)))) or (None,)
    if last is None:
        return draw(ODD)
    inside = document
    for key in above:
        inside = inside[key]
    match draw(st.sampled_from(["replace", "replace", "remove", "rename", "again"])):
        case "remove":
            del inside[last]
        case "rename" if isinstance(inside, dict):
            inside[draw(st.text(max_size=8) | st.integers() | st.just(f"{last}s"))] = inside.pop(last)
        case "again" if isinstance(inside, list):
            inside.append(inside[last])
        case _:
            inside[last] = draw(ODD)
    return document


def answered(read: Callable[[], object]) -> None:
    """Whether an input is accepted, or refused in words."""
    problems = refused(read)
    for problem in problems or []:
        assert not [word for word in PYTHON if word in problem.lower()]


def refused(read: Callable[[], object]) -> list[str] | None:
    try:
        read()
    except InvalidInputError as error:
        return error.problems or ["nothing is said"]
    return None


PYTHON = ("input should", "a valid tuple", "instance of", "pydantic", "traceback", "nothing is said")


quick = examples(deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)


@examples(quick, max_examples=400)
@given(data=st.data(), stack=st.sampled_from(sorted(STACKS)))
def test_a_stack_file(data: st.DataObject, stack: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = directory(tmp_path_factory) / f"Pulumi.{stack}.yaml"
    file.write_bytes(data.draw(mistaken(STACKS[stack])))
    answered(lambda: deployed(settings.read_stack(file)))


def deployed(of: settings.Settings) -> None:
    """What is computed from settings that are accepted."""
    known = KNOWN.of_stack(of)
    json.dumps(routing.alertmanager_configuration(of))
    settings.warnings(of)
    agent_configuration(of, known)


@examples(quick, max_examples=250)
@given(data=st.data(), which=st.sampled_from(["services.yaml", "events.yaml"]))
def test_a_catalogue(data: st.DataObject, which: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = directory(tmp_path_factory)
    for name, text in (("services.yaml", SERVICES), ("events.yaml", EVENTS)):
        (folder / name).write_bytes(data.draw(mistaken(text)) if name == which else text.encode())
    answered(lambda: read_catalogue(folder / "services.yaml", draw=which == "services.yaml"))


def read_catalogue(file: Path, draw: bool) -> None:
    """What is computed from a catalogue that is accepted; events are on no dashboard that depends on them."""
    of = catalogue.load(file).of_stack(settings.read_stack(ROOT / "Pulumi.dev.yaml"))
    if draw:
        dashboards.load(of)


@examples(quick, max_examples=250)
@given(data=st.data(), name=st.sampled_from(sorted(RULES)))
def test_a_rule_file(data: st.DataObject, name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = directory(tmp_path_factory) / "alerts"
    folder.mkdir(exist_ok=True)
    for path in folder.glob("*.yaml"):
        path.unlink()
    if not (folder / "runbooks").exists():
        (folder / "runbooks").symlink_to(ROOT / "alerts" / "runbooks")
    (folder / name).write_bytes(data.draw(mistaken(RULES[name])))
    of = settings.read_stack(ROOT / "Pulumi.dev.yaml")
    answered(lambda: rules.prometheus_rules(folder, KNOWN, of))


WORDS = st.sampled_from(
    ["", " ", "dev", "nope", "../dev", "-", "--", "--help", "1h", "1", "999999w", "down", "order-service", ".", "/",
     str(ROOT / "alerts"), "a" * 5000, "$(x)", "ö", "\n"]
) | st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=10)  # fmt: skip
COMMANDS: dict[str, tuple[Any, list[list[str]]]] = {
    "rehearsal": (rehearsal.__main__.main, [["fault"], ["status"], ["heal"], ["nothing"]]),
    "report": (report.__main__.main, [["--since"], ["--board"], ["--out"]]),
    "review": (review.__main__.main, [["--since"], ["--out"], ["--stack"]]),
    "render": (render.main, [["render", "--out", str(ROOT / "alerts"), "--stack"], ["diff", "--stack"]]),
    "context": (verify.context.main, [[]]),
}


@examples(quick, max_examples=100)
@given(name=st.sampled_from(sorted(COMMANDS)), data=st.data())
def test_a_command_line(name: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    command, starts = COMMANDS[name]
    arguments = [*data.draw(st.sampled_from(starts)), *data.draw(st.lists(WORDS, max_size=3))]
    state = tmp_path_factory.getbasetemp() / "no-rehearsal"
    environment = {"STATE": str(state), "PORT_OFFSET": data.draw(st.sampled_from(["", "1000"]) | WORDS)}
    if "\x00" in "".join(environment.values()):
        return
    done = CliRunner().invoke(command, arguments, env=environment, catch_exceptions=True)
    assert isinstance(done.exception, SystemExit | None), (arguments, environment, done.exc_info)
    assert "Traceback" not in done.output
    assert not done.exit_code or done.output.strip()


def directory(factory: pytest.TempPathFactory) -> Path:
    """One directory for all inputs of this process."""
    path = factory.getbasetemp() / f"inputs-{os.getpid()}"
    path.mkdir(exist_ok=True)
    return path
