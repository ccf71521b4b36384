"""A crash is one entry, and an error: in each form that Go, gin, Python and its servers have for one."""

from __future__ import annotations

import subprocess
import sys
import traceback
from collections.abc import Callable

from tests.logs.pipeline import Pipeline, json_line
from tests.waiting import eventually

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

FRAMES = ["goroutine 1 [running]:", "main.(*cache[...]).Set(0xc0000b2000, {0x1, 0x2})", "\t/app/main.go:12 +0x1d"]
GIN = "\x1b[31m2026/11/29 10:00:00 [Recovery] 2026/11/29 - 10:00:00 panic recovered:"
GIN_FRAMES = ["/usr/local/go/src/runtime/panic.go:262 (0x44f)", "\tpanicmem: panic(memoryError)", "\x1b[0m"]
GUNICORN = "[2026-11-29 10:00:00 +0000] [7] [ERROR]"
FUTURE = "future: <Task finished name='Task-1' coro=<f() done> exception=ValueError('x')>"
FILE = '  File "/app/main.py", line 1 in order'
CRASHES = {
    "cause": failing(caused),
    "handling": failing(twice),
    "group": failing(grouped),
    "notes": failing(noted),
    "named": ["Traceback (most recent call last):", '  File "/app/main.py", line 1, in order', "app.errors.NoFunds: 5"],
    "uvicorn": ["ERROR:    Exception in ASGI application", *failing(caused)],
    "uvicorn-group": ["ERROR:    Exception in ASGI application", *failing(grouped)],
    "gunicorn": [f"{GUNICORN} Exception in worker process", *failing(twice)],
    "gunicorn-request": [f"{GUNICORN} Error handling request /orders", *failing(caused)],
    "root-logger": ["ERROR:root:failed", *failing(caused)],
    "thread": ["Exception in thread Thread-1 (f):", *failing(caused)],
    "task": ["Task exception was never retrieved", FUTURE, *failing(caused)],
    "ignored": ["Exception ignored in: <function f at 0x1>", *failing(caused)],
    "logging": ["--- Logging error ---", *failing(caused), "Call stack:", FILE, "Message: 'x'", "Arguments: ()"],
    "in-a-thread": written("import threading; one = threading.Thread(target=lambda: {}['a']); one.start(); one.join()"),
    "in-a-task": written(IN_A_TASK),
    "while-logging": written("import logging; logging.warning('%d', 'a')"),
    "interpreter": ["Fatal Python error: Segmentation fault", "", "Current thread 0x1 (most recent call first):", FILE],
    "go": ["panic: index out of range [5]", "", *FRAMES, "created by main.main", "\t/a.go:20 +0x39", "exit status 2"],
    "go-twice": ["panic: a [recovered]", "\tpanic: b", "", *FRAMES],
    "go-signal": ["panic: nil pointer dereference", "[signal SIGSEGV: code=0x1 addr=0x0 pc=0x1]", "", *FRAMES],
    "go-fatal": ["fatal error: concurrent map writes", "", *FRAMES],
    "go-stack": ["runtime: goroutine stack exceeds 1000-byte limit", "runtime: sp=0x1", "fatal error: stack overflow"],
    "go-quit": ["SIGQUIT: quit", "PC=0x46ef81 m=0 sigcode=0", "", *FRAMES],
    "go-http": ["2026/11/29 10:00:00 http: panic serving 10.0.0.1:5000: boom", *FRAMES],
    "gin": [GIN, "boom", *GIN_FRAMES],
    "gin-debug": [GIN, "GET /x HTTP/1.1", "Host: localhost:8080", "", "index out of range", *GIN_FRAMES],
    "gin-plain": ["[Recovery] 2026/11/29 - 10:00:00 panic recovered:", "boom", *GIN_FRAMES],
}


def test_each_crash_is_one_entry_of_an_error(node: Pipeline) -> None:
    for name, lines in CRASHES.items():
        log = node.container(f"crash-{name}")
        log.write(BETWEEN)
        log.write("", "", *lines[:2], stream="stderr")
        log.write(BETWEEN)  # another thread's
        log.write(*lines[2:], stream="stderr")
        log.write("Done.", BETWEEN)
    for name, lines in CRASHES.items():
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
