"""What Go, gin, uvicorn and gunicorn write when something in them crashes: each is run, and its lines are read."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import dropwhile, takewhile
from pathlib import Path

from engine.toolchain import tool
from tests.rehearsal.alone import free_address

GO = (
    *("index", "nil", "again", "error", "goroutine", "map", "deadlock", "stack", "quit"),
    *("http", "gin", "gin-debug", "gin-error"),
)
"""The ways of the program `engine/tools/crashing`; of gin, that version which the application has."""
ENDS = re.compile(r"INFO:|\[\d{4}-\d\d-\d\d [^]]*\] \[\d+\] \[(?:INFO|ERROR)\]")
"""How the servers' next entries begin."""

UVICORN = """
import contextlib, threading, urllib.request
import uvicorn
from fastapi import FastAPI, Request
app = FastAPI()
@app.middleware("http")
async def passes(request: Request, call_next): return await call_next(request)
@app.get("/orders")
def orders(): {}["the order"]
host, port = "ADDRESS".split(":")
server = uvicorn.Server(uvicorn.Config(app, host, int(port), use_colors=False))
serving = threading.Thread(target=server.run)
serving.start()
while not server.started: pass
with contextlib.suppress(OSError): urllib.request.urlopen("http://ADDRESS/orders")
server.should_exit = True
serving.join()
"""
"""Asks itself once, at `ADDRESS`."""
GUNICORN = """
import contextlib, os, signal, threading, urllib.request
def ask():
    with contextlib.suppress(OSError): urllib.request.urlopen("http://ADDRESS/orders", timeout=20)
    os.kill(os.getppid(), signal.SIGTERM)
def post_worker_init(worker): threading.Thread(target=ask).start()
bind = "ADDRESS"
"""
FAILING_REQUEST = 'def app(environ, start): {}["the order"]\n'
FAILING_WORKER = '{}["the setting"]\n'


def go(way: str) -> list[str]:
    """The lines of a crash of Go or gin, without what came before it and blank lines around it."""
    ran = subprocess.run([tool("crashing"), way], capture_output=True, text=True, check=False, timeout=120)
    assert not ran.stdout.replace("\n", "") or way.startswith("gin"), ran.stdout
    lines = ran.stderr.split("\n")
    begin = next(number for number, line in enumerate(lines) if line and not line.startswith(("[GIN-debug]", " - ")))
    while not lines[-1]:
        lines.pop()
    return lines[begin:]


def uvicorn() -> list[str]:
    """The lines of a request that failed, below a middleware."""
    program = UVICORN.replace("ADDRESS", free_address())
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    return _first_error(ran.stderr)


def gunicorn(directory: Path, application: str) -> list[str]:
    """The lines of an application that fails, while it is imported or when it is asked."""
    (directory / "application.py").write_text(application)
    (directory / "settings.py").write_text(GUNICORN.replace("ADDRESS", free_address()))
    command = [sys.executable, "-m", "gunicorn", "--config", "settings.py", "application:app"]
    ran = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False, timeout=60)
    return _first_error(ran.stderr)


def _first_error(text: str) -> list[str]:
    first, *others = dropwhile(lambda line: "ERROR" not in line, text.splitlines())
    return [first, *takewhile(lambda line: not ENDS.match(line), others)]
