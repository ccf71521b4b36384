"""A crash is one entry, and an error: in each form that Go, gin, Python and its servers have for one."""

from __future__ import annotations

import subprocess
import sys
import traceback
from collections.abc import Callable

import pytest

from checks.logs.pipeline import Pipeline, json_line
from checks.waiting import eventually
from tests.logs import crashing

BETWEEN = json_line(level="INFO", message="between")


def failing(raised: Callable[[], object]) -> list[str]:
    """The lines that Python writes of what is raised."""
    try:
        raised()
    except BaseException:
        return traceback.format_exc().removesuffix("\n").split("\n")
    raise AssertionError("nothing was raised")


def caused() -> None:
    try:
        raise ConnectionError("the table did not answer")
    except ConnectionError as cause:
        raise RuntimeError("operation failed") from cause


def twice() -> None:
    try:
        try:
            raise KeyError("a")
        except KeyError:
            raise IndexError("b")  # noqa: B904 - "During handling" is what is wanted
    except IndexError:
        raise StopIteration  # noqa: B904


def grouped() -> None:
    raise ExceptionGroup("two failed", [ValueError("a"), ExceptionGroup("inner", [TypeError("b")])])


class NoFunds(Exception):  # noqa: N818 - an exception may be called anything
    pass


def noted() -> None:
    error = NoFunds("account 5")
    error.add_note("while order 7 was stored")
    error.add_note("tried three times")
    raise error


def written(program: str) -> list[str]:
    """The lines that the interpreter itself writes while it runs a program."""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return ran.stderr.removesuffix("\n").split("\n")


IN_A_TASK = """
import asyncio
async def failing(): raise KeyError("a")
async def main(): asyncio.create_task(failing()); await asyncio.sleep(0)
asyncio.run(main())
"""

FUTURE = "future: <Task finished name='Task-1' coro=<f() done> exception=ValueError('x')>"
FILE = '  File "/app/main.py", line 1 in order'
CRASHES = {
    "cause": failing(caused),
    "handling": failing(twice),
    "group": failing(grouped),
    "notes": failing(noted),
    "named": ["Traceback (most recent call last):", '  File "/app/main.py", line 1, in order', "app.errors.NoFunds: 5"],
    "uvicorn-group": ["ERROR:    Exception in ASGI application", *failing(grouped)],
    "root-logger": ["ERROR:root:failed", *failing(caused)],
    "thread": ["Exception in thread Thread-1 (f):", *failing(caused)],
    "task": ["Task exception was never retrieved", FUTURE, *failing(caused)],
    "ignored": ["Exception ignored in: <function f at 0x1>", *failing(caused)],
    "logging": ["--- Logging error ---", *failing(caused), "Call stack:", FILE, "Message: 'x'", "Arguments: ()"],
    "in-a-thread": written("import threading; one = threading.Thread(target=lambda: {}['a']); one.start(); one.join()"),
    "in-a-task": written(IN_A_TASK),
    "while-logging": written("import logging; logging.warning('%d', 'a')"),
    "interpreter": ["Fatal Python error: Segmentation fault", "", "Current thread 0x1 (most recent call first):", FILE],
    "gin-plain": ["[Recovery] 2026/11/29 - 10:00:00 panic recovered:", "boom", "/a.go:20 (0x44f)", "\tf: panic(1)"],
}


@pytest.fixture(scope="module")
def crashes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The lines of crashes, by name: those above, and those of the programs that really crash."""
    return CRASHES | {
        **{f"go-{way}": crashing.go(way) for way in crashing.GO},
        "uvicorn": crashing.uvicorn(),
        "gunicorn-request": crashing.gunicorn(tmp_path_factory.mktemp("request"), crashing.FAILING_REQUEST),
        "gunicorn-worker": crashing.gunicorn(tmp_path_factory.mktemp("worker"), crashing.FAILING_WORKER),
    }


def test_each_crash_is_one_entry_of_an_error(node: Pipeline, crashes: dict[str, list[str]]) -> None:
    for name, lines in crashes.items():
        log = node.container(f"crash-{name}")
        log.write(BETWEEN)
        log.write("", "", *lines[:2], stream="stderr")
        log.write(BETWEEN)  # another thread's
        log.write(*lines[2:], stream="stderr")
        log.write("Done.", BETWEEN)
    for name, lines in crashes.items():
        entries = node.arrived(f"crash-{name}", 5)
        texts = [entry.text for entry in entries]
        assert sorted(texts) == sorted([BETWEEN, BETWEEN, "\n".join(lines), "Done.", BETWEEN]), name
        assert entries[texts.index("\n".join(lines))].labels.get("severity") == "ERROR", name


def test_lines_that_begin_with_a_blank_belong_to_no_others(node: Pipeline) -> None:
    lines = [" detail of req-a", BETWEEN, "  detail of req-b", "\tof req-c", BETWEEN, '  {"level":"INFO","user":"bob"}']
    node.container("blanks").write(*lines)
    assert [entry.text for entry in node.arrived("blanks", len(lines))] == lines


def test_json_over_several_lines_is_one_entry_and_is_read(node: Pipeline) -> None:
    lines = [
        "{",
        '  "level": "ERROR",',
        '  "request_id": "req-over-lines",',
        '  "context": {',
        '    "a": [1, 2]',
        "  }",
        "}",
    ]
    node.container("pretty").write(*lines, *lines, BETWEEN)

    def found() -> list[str] | None:
        entries = node.entries('{service_name="pretty"} | request_id="req-over-lines" | severity="ERROR"')
        return [entry.text for entry in entries] if len(entries) == 2 else None

    assert eventually(found, what="both") == ["\n".join(lines)] * 2
