"""Who types `make fault KIND=error` reads of KIND, and what to type instead."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

import incident.__main__
import rehearsal.__main__
import report.__main__
import review.__main__
from benchmarks import dashboards, logs_search
from facts import ROOT
from invalid import one_of
from rehearsal.lifecycle import Rehearsal, Report
from rehearsal.supervisor import Process
from targets import Target, refuse_unwritable

MAKEFILE = (ROOT / "Makefile").read_text().replace("\\\n", " ")
RECIPES = dict(re.findall(r"^([a-z-]+):[^\n]*\n((?:\t[^\n]*\n)+)", MAKEFILE, re.MULTILINE))
CALLS = re.compile(r"\$\(PY\) -m ((?!pytest|pip|uv)[a-z_.]+)( [a-z]+(?= --| \"| \$))?([^\n;&]*)")


def command(module: str, subcommand: str) -> click.Command:
    name = f"{module}.__main__" if (ROOT / module.replace(".", "/") / "__main__.py").exists() else module
    found: Any = importlib.import_module(name)
    main: click.Command = getattr(found, "main", None) or found.cli
    return main.commands[subcommand.strip()] if subcommand and isinstance(main, click.Group) else main


TAKING = {
    (module, subcommand)
    for target, recipe in RECIPES.items()
    for module, subcommand, rest in CALLS.findall(recipe)
    if re.search(r"\$\((?!PY|origin|filter)[A-Z]+\)", rest)
}


def test_some_commands_take_variables() -> None:
    assert {("rehearsal", " fault"), ("engine.render", " diff"), ("report", ""), ("drills.soak", "")} <= TAKING


@pytest.mark.parametrize(("module", "subcommand"), sorted(TAKING))
def test_a_command_that_takes_variables_of_make_speaks_of_them(module: str, subcommand: str) -> None:
    of = command(module, subcommand)
    assert isinstance(of, Target)
    make, target, *given = of._example.split()
    assert make == "make"
    assert {word.partition("=")[0] for word in given if "=" in word} <= set(
        re.findall(r"\$\(([A-Z]+)\)", RECIPES[target])
    )


def said(module: str, *arguments: str, **environment: str) -> str:
    main = command(module, "")
    done = CliRunner().invoke(main, list(arguments), env=environment)
    assert done.exit_code == 2
    assert "Usage" not in done.output
    return done.stderr


@pytest.mark.parametrize(
    ("module", "arguments", "expected"),
    [
        (
            "rehearsal",
            ["fault", "--", "error", "gateway"],
            'Error: KIND=error: expected one of down, errors, latency; did you mean "errors"?\n'
            "Try: make fault KIND=down SERVICE=order-service\n",
        ),
        ("rehearsal", ["fault", "--", "", "gateway"], "Error: KIND: missing\nTry: make fault KIND="),
        ("rehearsal", ["fault", "--", "error"], 'did you mean "errors"?\nSERVICE: missing\nTry: make fault'),
        ("drills.soak", ["--days", "0", "--seed", "x"], "60\nSEED=x: expected a whole number\nTry: make soak"),
        ("rehearsal", ["fault", "--", "-x", ""], "KIND=-x: expected one of down"),
        ("rehearsal", ["fault", "--", "down"], "SERVICE: missing\n"),
        ("rehearsal", ["fault", "--", "down", ""], "SERVICE: missing\n"),
        ("rehearsal", ["fault", "--", "", ""], "KIND: missing\nSERVICE: missing\n"),
        ("rehearsal.check_lines", ["--", ""], "FILE: missing\nTry: make check-lines FILE=order-service.log"),
        ("rehearsal.check_lines", ["--", "nope"], "FILE=nope: expected a file\n"),
        ("report", ["--images", str(ROOT / "Makefile")], "Makefile: expected a directory\n"),
        ("report", ["--out", str(ROOT)], f"OUT={ROOT}: expected a file\n"),
        ("drills.soak", ["--hours", "0"], "HOURS=0: expected a number of more than 0 to 336\n"),
        ("drills.soak", ["--days", "abc"], "DAYS=abc: expected a whole number from 1 to 60\nTry: make soak DAYS=14"),
        ("drills.soak", ["--days", "1", "--hours", "4"], "HOURS=4 in the running stack: give one"),
        ("drills.soak", ["--days", "1", "--seed", "4"], "SEED=4 is for HOURS"),
        ("checks.pythons", ["--", "3.12", "3.9"], "VERSIONS=3.12 3.9: expected one of 3.11, 3.12, 3.13"),
        ("benchmarks.logs_search", ["--keep", str(ROOT / "Makefile")], "Makefile: expected a directory\n"),
        ("benchmarks.logs_search", ["--days", "99"], "DAYS=99: expected a number from 0.05 to 7\n"),
        ("drills.soak", ["--hours", "1", "--seed", "x"], "SEED=x: expected a whole number\n"),
        ("benchmarks.dashboards", ["--services", "0"], "SERVICES=0: expected a whole number from 1\n"),
        ("benchmarks.rules", ["--sizes", "9,8"], "SIZES=9,8: expected ascending numbers such as 6,60,600"),
        ("verify", ["--stack", "dev", "--context", ""], "CONTEXT: missing"),
        ("verify", ["--stack", "dev", "--timeout", "x", "--context", "x"], "'--timeout'=x: expected a whole number"),
        ("rehearsal", ["fault", "a", "b", "c"], "KIND=a: expected one of"),
        ("rehearsal", ["fault", "down", "b", "c"], "Got unexpected extra argument (c)\nTry: make fault"),
    ],
)
def test_what_is_wrong_is_said_in_the_words_of_make(module: str, arguments: list[str], expected: str) -> None:
    assert expected in said(module, *arguments)


WRITING = [
    (command, option)
    for command in (
        report.__main__.main,
        review.__main__.main,
        incident.__main__.main,
        dashboards.main,
        logs_search.main,
    )
    for option in ("--out", "--images", "--keep")
    if any(option in parameter.opts for parameter in command.params)
]
"""Every command that takes a place to write, but `make render`, which also looks at what is there."""


def test_places_to_write_are_known() -> None:
    assert len(WRITING) == 6


@pytest.mark.parametrize(("of", "option"), WRITING)
@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("/dev/null/x/y.html", "/dev/null: Not a directory"),
        ("/proc/y.html", "(/"),
        (300 * "y" + ".html", "File name too long"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_anything_is_done(
    of: click.Command, option: str, place: str, why: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(of, [option, place])
    assert done.exit_code == 2
    assert done.output.startswith(f"Error: {option.strip('-').upper()}={place}: cannot be written (")
    assert why in done.output
    assert done.output.endswith(f"; name another {'file' if option == '--out' else 'directory'}\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("directory", ["page.html", "page.md"])
def test_a_directory_where_a_page_or_its_table_belongs_is_refused(directory: str, tmp_path: Path) -> None:
    (tmp_path / directory).mkdir()
    told = said("review", "--out", str(tmp_path / "page.html"))
    assert told.startswith(f"Error: OUT={tmp_path}/page.html: ")
    assert "expected a file" in told or f"({tmp_path}/page.md: Is a directory); name another file" in told


def test_what_can_be_written_is_left_as_it_is(tmp_path: Path) -> None:
    earlier = tmp_path / "page.html"
    earlier.write_text("of last week")
    refuse_unwritable("OUT", earlier)
    refuse_unwritable("OUT", tmp_path / "new" / "page.html")
    refuse_unwritable("IMAGES", tmp_path / "new", directory=True)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"page.html": "of last week"}


def test_of_many_names_the_nearest_are_shown() -> None:
    names = [f"Rule{number}" for number in range(200)]
    expected = r'one of 200 such as Rule7(, Rule\d+){4}; did you mean "Rule7"\?'
    assert re.fullmatch(expected, one_of(names, "Rul7"))


def test_a_name_in_other_letters_is_known() -> None:
    assert one_of(["down", "errors"], "DOWN") == 'one of down, errors; did you mean "down"?'


def test_a_variable_of_the_environment_is_named_too() -> None:
    assert said("rehearsal", "up", VERBOSE="maybe").startswith("Error: VERBOSE=maybe: expected 1 or 0\n")


def test_status_names_what_does_not_work_and_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    states = {"loki": "RUNNING", "order-service": "EXITED", "redis": "STOPPED"}
    reports = [
        Report(Process(name, state == "RUNNING", state, 0), state == "RUNNING") for name, state in states.items()
    ]
    monkeypatch.setattr(Rehearsal, "status", lambda _: reports)
    monkeypatch.setattr(rehearsal.__main__, "_print_alerts", lambda _: None)
    done = CliRunner().invoke(rehearsal.__main__.main, ["status"], env={"STATE": str(tmp_path), "PORT_OFFSET": ""})
    assert done.exit_code == 1
    assert done.stderr == "Error: not healthy: order-service; make up starts what ended, make heal undoes a fault\n"
    reports.pop(1)
    done = CliRunner().invoke(rehearsal.__main__.main, ["status"], env={"STATE": str(tmp_path), "PORT_OFFSET": ""})
    assert done.exit_code == 0, "what make fault stopped is as it should be"
    assert "stopped by make fault: redis; make heal starts it again" in done.stdout
