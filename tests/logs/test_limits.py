"""A service that floods Loki: nothing is lost by it, and the others' lines are taken. And lines that are late."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx

from benchmarks import loki
from benchmarks.loki import Loki, Stream
from checks.waiting import eventually
from facts import ROOT
from settings import read_stack

SECOND = 10**9
HOUR = 3600 * SECOND
SLOW = {"ingestion_rate_mb": 1, "ingestion_burst_size_mb": 2}
"""A rate that a flood of this machine exceeds."""
FLOOD_SECONDS = 4
"""At least; and until it has exceeded the rate."""


def lines(service: str, count: int, size: int, at: int) -> Stream:
    return Stream({"service_name": service}, [(at + number, "x" * size, {}) for number in range(count)])


def stored(running: Loki, service: str) -> int:
    """Lines of a service in the last day."""
    query = f'sum(count_over_time({{service_name="{service}"}}[1d]))'
    answer = running.client.get("/loki/api/v1/query", params={"query": query}).raise_for_status()
    return sum(int(series["value"][1]) for series in answer.json()["data"]["result"])


def test_what_one_service_may_send_is_not_limited_below_what_all_may(deployed: Loki) -> None:
    """Loki would drop the first service's lines and answer 204, if it were."""
    now = time.time_ns()
    streams = [lines("loud", 30_000, 1000, now), lines("calm", 10, 100, now)]

    def answer() -> httpx.Response | None:
        found = deployed.push(streams)
        return None if found.status_code == 500 else found  # a busy machine's Loki takes longer than it may

    assert eventually(answer).status_code == 204
    assert stored(deployed, "loud") == 30_000
    assert stored(deployed, "calm") == 10


def test_a_flood_is_taken_or_refused_whole_and_the_others_are_taken(tmp_path: Path) -> None:
    with (
        loki.running(read_stack(ROOT / "Pulumi.dev.yaml"), tmp_path, {"limits_config": SLOW}) as running,
        ThreadPoolExecutor(4) as senders,
    ):
        end, refused = time.monotonic() + FLOOD_SECONDS, threading.Event()

        def goes_on() -> bool:
            return time.monotonic() < end or not refused.is_set()

        def flood(_: int) -> Counter[int]:
            """Numbers of requests by the status that they were answered with."""
            answers: Counter[int] = Counter()
            while goes_on():
                status = running.push([lines("loud", 500, 1000, time.time_ns())]).status_code
                answers[status] += 1
                if status == 429:
                    refused.set()
            return answers

        flooding = senders.map(flood, range(4))
        sent = 0
        while goes_on():
            calm = [lines("calm", 10, 100, time.time_ns())]
            eventually(partial(taken, running, calm), what="a calm service's lines are taken")
            sent += 10
        answers = sum(flooding, Counter())
        assert answers.keys() == {204, 429}
        assert stored(running, "loud") == 500 * answers[204]
        assert stored(running, "calm") == sent


def taken(running: Loki, streams: list[Stream]) -> bool:
    return running.push(streams).status_code == 204


def test_lines_that_are_hours_late_are_taken_and_found(deployed: Loki) -> None:
    """As when the agent of one node catches up, and those of others have told of the same service what is new."""
    now = time.time_ns()
    for age in (0, 11):
        assert deployed.push([lines("late", 10, 100, now - age * HOUR)]).status_code == 204
    assert stored(deployed, "late") == 20
    answer = deployed.push([lines("late", 10, 100, now - 13 * HOUR)])
    assert answer.status_code == 400
    assert "too far behind" in answer.text
