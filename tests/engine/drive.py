"""Runs steps of the engine in a process of its own: requests as JSON on standard input, results on standard output.

A step may edit files of the project first; the program's modules are forgotten, so that the edits count.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from rehearsal.engine import Engine, EngineError
from rehearsal.toolchain import tool


def main() -> None:
    request = json.load(sys.stdin)
    engine = Engine(Path.cwd(), Path(request["state"]), tool("pulumi"), request["settings"])
    json.dump([perform(engine, step, request["secrets"]) for step in request["steps"]], sys.stdout)


def perform(engine: Engine, step: dict[str, Any], secrets: dict[str, str]) -> dict[str, Any]:
    for change in step.get("edit", []):
        edit(**change)
    for name in [name for name, module in sys.modules.items() if is_program(module)]:
        del sys.modules[name]
    result: dict[str, Any] = {"output": [], "events": [], "error": ""}
    follow = {"on_output": result["output"].append, "on_event": lambda event: result["events"].append(dump(event))}
    operation, arguments = getattr(engine, step["operation"]), step.get("arguments", {})
    if step["operation"] in ("up", "preview"):
        arguments = {"secrets": secrets, **arguments}
    try:
        changes = operation("dev", **arguments, **follow)
        result["urns"] = {name: sorted(urns) for name, urns in changes.urns.items()}
        result["paths"] = changes.paths
    except EngineError as error:
        result["error"] = str(error)
    return result | {"objects": objects(engine.store)}


def edit(file: str, pattern: str, replacement: str) -> None:
    """Change the first place that matches."""
    text, count = re.subn(pattern, replacement, Path(file).read_text(), count=1, flags=re.MULTILINE)
    if not count:
        raise SystemExit(f"{file}: nothing matches {pattern!r}")
    Path(file).write_text(text)


def is_program(module: Any) -> bool:
    path = getattr(module, "__file__", None) or ""
    return path.startswith(f"{Path.cwd()}/") and "/rehearsal/" not in path


def dump(event: Any) -> str:
    return json.dumps(event, default=lambda value: getattr(value, "__dict__", str(value)))


def objects(store: Path) -> list[str]:
    return sorted(str(path.relative_to(store)) for path in store.glob("*/*/*.yaml"))


if __name__ == "__main__":
    main()
