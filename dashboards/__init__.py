"""The dashboards: one module each, found by being here.

A module that defines `build(catalogue, stack) -> Dashboard` is a dashboard; adding one is adding a file. A long one is
a package, with a module for each row.
"""

from __future__ import annotations

import importlib
import json
import pkgutil

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
    Raises ValueError if two modules give their dashboards the same uid.
    """
    boards = _boards(catalogue, Stack.of(settings) if settings else EVERYTHING)
    for uid, board in boards.items():
        others = [link_to(other) for other_uid, other in boards.items() if other_uid != uid]
        board.links = [*others, *(board.links or [])]
    return {uid: _json(board) for uid, board in boards.items()}


def _boards(catalogue: Catalogue, stack: Stack) -> dict[str, Dashboard]:
    boards: dict[str, Dashboard] = {}
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        if not hasattr(module, "build"):
            continue
        board: Dashboard = module.build(catalogue, stack)
        if not board.uid or board.uid in boards:
            file = f"{info.name}/__init__.py" if info.ispkg else f"{info.name}.py"
            raise ValueError(f"dashboards/{file}: the uid {board.uid!r} must be set and unique; give it another")
        service_colours.keep(board, [service.name for service in catalogue.services])
        boards[board.uid] = board
    return boards


def _json(board: Dashboard) -> str:
    return json.dumps(board, cls=JSONEncoder, indent=2, sort_keys=True) + "\n"
