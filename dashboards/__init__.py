"""The dashboards: one module each, found by being here.

A module that defines `build(catalogue, stack) -> Dashboard` is a dashboard; adding one is adding a file. A long one is
a package, with a module for each row.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
from types import ModuleType

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from catalogue import Catalogue
from dashboards import service_colours
from dashboards.board import link_to
from dashboards.stack import EVERYTHING, Stack
from settings import Settings


def load(catalogue: Catalogue, settings: Settings | None = None) -> dict[str, str]:
    """Every dashboard as Grafana's JSON text, by uid; each links to all the others.

    The text is the same for the same input, so a stack that has not changed shows no difference. Without settings it
    shows whatever a stack can have.
    Raises ValueError if a module gives its dashboard another uid than its own name with hyphens.
    """
    boards = _boards(catalogue, Stack.of(settings) if settings else EVERYTHING)
    for uid, board in boards.items():
        others = [link_to(other) for other_uid, other in boards.items() if other_uid != uid]
        board.links = [*others, *(board.links or [])]
    return {uid: _json(board) for uid, board in boards.items()}


def uids() -> list[str]:
    """The uid of every dashboard that a stack can have: its module's name with hyphens."""
    return [name.replace("_", "-") for name in _modules()]


def _modules() -> dict[str, ModuleType]:
    found = {info.name: importlib.import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__)}
    return {name: module for name, module in found.items() if hasattr(module, "build")}


def _boards(catalogue: Catalogue, stack: Stack) -> dict[str, Dashboard]:
    boards: dict[str, Dashboard] = {}
    for name, module in _modules().items():
        board: Dashboard = module.build(catalogue, stack)
        if board.uid != name.replace("_", "-"):
            raise ValueError(f"{module.__name__}: the uid {board.uid!r} must be {name.replace('_', '-')!r}")
        service_colours.keep(board, [service.name for service in catalogue.services])
        boards[board.uid] = board
    return boards


def _json(board: Dashboard) -> str:
    return json.dumps(board, cls=JSONEncoder, indent=2, sort_keys=True) + "\n"
