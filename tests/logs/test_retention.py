"""The stack's retention on a real Loki: what is too old is refused, what gets too old is deleted, nothing else is.

Only intervals are shortened: Loki's compactor works every 2 s instead of every 10 min, and deletes what it marked at
once instead of after 2 h. It sweeps when it starts and every minute then; starting it again saves that minute.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from benchmarks import loki
from benchmarks.loki import Line, Loki, Stream
from checks.waiting import eventually
from facts import ROOT
from settings import Settings, read_stack

SECOND = 10**9
DAY = 86400 * SECOND
running = partial(loki.running, changes={"compactor": {"compaction_interval": "2s", "retention_delete_delay": "0s"}})
EXPIRES_SECONDS = 20
LINES = 50

# A service's lines are one chunk. Days before now.
AGES = {"about-to-expire": 7 - EXPIRES_SECONDS * SECOND / DAY, "five-days-old": 5.0, "two-days-old": 2.0, "new": 0.0}


def stack(retention: Mapping[str, Any] = {}) -> Settings:
    """The development stack, with its own retention but for what is given."""
    settings = read_stack(ROOT / "Pulumi.dev.yaml")
    return settings.model_copy(update={"retention": settings.retention.model_copy(update=dict(retention))})


def lines_of(service: str, now: int) -> Stream:
    newest = now - int(AGES.get(service, 0) * DAY)
    lines: list[Line] = [(newest - number * 1000, f"{service} {number}", {}) for number in range(LINES)]
    return Stream({"service_name": service}, lines)


def found(started: Loki, now: int, services: str = ".+") -> dict[str, int]:
    """Number of lines of each service that a query of the last eight days finds."""
    streams = started.query(f'{{service_name=~"{services}"}}', now - 8 * DAY, now + DAY, limit=5000).streams
    counts: dict[str, int] = {}
    for stream in streams:
        service = stream["stream"]["service_name"]
        counts[service] = counts.get(service, 0) + len(stream["values"])
    return counts


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A directory with one chunk file of each age, all of them found while none is too old; and the time of the newest
    lines."""
    directory = tmp_path_factory.mktemp("stored")
    with running(stack(), directory) as started:
        now = time.time_ns()
        answer = started.push([lines_of(service, now) for service in AGES])
        assert answer.status_code == 204, answer.text
        started.flush()
        eventually(lambda: len(started.chunk_files()) == len(AGES), what="a chunk file for each service")
        assert found(started, now) == dict.fromkeys(AGES, LINES)
    return directory, now


def test_lines_beyond_the_retention_are_refused_and_the_others_of_their_batch_taken(deployed: Loki) -> None:
    now = time.time_ns()
    late = Stream({"service_name": "expired"}, [(now - 7 * DAY - SECOND, "expired", {})])
    answer = deployed.push([late, lines_of("in-time", now)])
    assert answer.status_code == 400
    assert "timestamp too old" in answer.text
    assert found(deployed, now, "expired|in-time") == {"in-time": LINES}


def test_nobody_can_have_lines_deleted(deployed: Loki) -> None:
    """Loki asks nobody who they are, and takes such requests from anyone unless told otherwise."""
    everything = {"query": '{service_name=~".+"}', "start": "1700000000"}
    assert deployed.client.post("/loki/api/v1/delete", params=everything).status_code == 403


@pytest.mark.parametrize(
    ("retention", "kept"),
    [
        ({}, {"five-days-old", "two-days-old", "new"}),
        ({"logs": "3d"}, {"two-days-old", "new"}),
        ({"logs": "1d", "logs_by_service": {"five-days-old": "6d"}}, {"five-days-old", "new"}),
    ],
    ids=["as the stack sets it", "changed to 3d", "longer for a service"],
)
def test_what_gets_too_old_is_deleted_and_nothing_else(
    stored: tuple[Path, int], tmp_path: Path, retention: Mapping[str, Any], kept: set[str]
) -> None:
    source, now = stored
    directory = tmp_path / "copy"
    shutil.copytree(source, directory)
    settings = stack(retention)
    with running(settings, directory, ready="/metrics") as started:
        marked = "loki_boltdb_shipper_retention_marker_count_total"
        eventually(lambda: started.metric(marked) >= len(AGES) - len(kept), what="what is too old is marked")
    with running(settings, directory) as started:
        eventually(lambda: len(started.chunk_files()) <= len(kept), what="chunk files are deleted")
        assert len(started.chunk_files()) == len(kept)
        assert found(started, now) == dict.fromkeys(kept, LINES)
