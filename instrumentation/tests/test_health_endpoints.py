"""Health: what the endpoints say, and that checks can neither block them nor pile up."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from asking import ask, client, running, written
from starlette.applications import Starlette

from order_processor_observability import Observability, observe

DEADLINE = 5.0


def service() -> tuple[Starlette, Observability]:
    app = Starlette()
    return app, observe(app, "order-service", access_lines=False)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():
            await asyncio.sleep(0.005)


def gauge(handle: Observability, dependency: str) -> float | None:
    return handle.registry.get_sample_value("order_dependency_up", {"dependency": dependency})


def test_without_dependencies_a_service_is_ready() -> None:
    app, _ = service()
    assert ask(app, "/health/live").status_code == 200
    assert ask(app, "/health/ready").status_code == 200
    assert ask(app, "/health").json() == {"status": "healthy", "service": "order-service", "dependencies": {}}


@pytest.mark.parametrize("kind", ["async", "plain", "plain that returns an awaitable"])
def test_readiness_follows_a_dependency_down_and_up_again(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    app, handle = service()
    up, asked = True, 0

    def plain() -> bool:
        nonlocal asked
        asked += 1
        if not up:
            raise ConnectionError("password=hunter2 refused")
        return True

    async def unplain() -> bool:
        return plain()

    check: Any = {"async": unplain, "plain": plain, "plain that returns an awaitable": lambda: unplain()}[kind]
    handle.health.register("dynamodb", check, cache=0.01)

    async def run() -> None:
        nonlocal up
        async with running(app), client(app) as asking:
            for up, status, value in ((True, 200, 1), (False, 503, 0), (True, 200, 1)):
                await until(lambda value=value: gauge(handle, "dynamodb") == value)  # type: ignore[misc]
                answer = await asking.get("/health/ready")
                assert answer.status_code == status
                assert answer.json()["dependencies"]["dynamodb"]["up"] is up
                assert answer.json()["dependencies"]["dynamodb"]["reason"] == (None if up else "ConnectionError")
                assert "hunter2" not in answer.text
                assert (await asking.get("/health")).status_code == 200
                assert (await asking.get("/health/live")).status_code == 200
                more = asked + 2
                await until(lambda more=more: asked >= more)  # type: ignore[misc]

    asyncio.run(run())
    lines = written(capsys)
    assert [line["level"] for line in lines] == ["WARN", "INFO"], "a change is told of once"


def test_a_service_is_not_ready_before_its_first_check() -> None:
    app, handle = service()
    handle.health.register("redis", lambda: True)
    answer = ask(app, "/health/ready")
    assert answer.status_code == 503
    assert answer.json()["dependencies"]["redis"] == {"up": None, "reason": "not checked yet"}
    assert gauge(handle, "redis") is None


def test_a_false_check_is_down() -> None:
    app, handle = service()
    handle.health.register("redis", lambda: False)

    async def run() -> None:
        async with running(app):
            await until(lambda: gauge(handle, "redis") == 0)

    asyncio.run(run())


def test_a_hanging_check_is_down_blocks_nothing_and_starts_no_second_one() -> None:
    app, handle = service()
    release = threading.Event()
    running_now, most = 0, 0

    def hang() -> None:
        nonlocal running_now, most
        running_now += 1
        most = max(most, running_now)
        release.wait(DEADLINE)
        running_now -= 1

    async def hang_too() -> None:
        await asyncio.sleep(DEADLINE)

    handle.health.register("database", hang, timeout=0.02, cache=0.01)
    handle.health.register("cache", hang_too, timeout=0.02, cache=0.01)

    async def run() -> float:
        async with running(app), client(app) as asking:
            await until(lambda: gauge(handle, "database") == 0 and gauge(handle, "cache") == 0)
            began = time.perf_counter()
            for _ in range(20):
                assert (await asking.get("/health/ready")).status_code == 503
                await asyncio.sleep(0.005)
            return time.perf_counter() - began

    try:
        assert asyncio.run(run()) < DEADLINE / 2
    finally:
        release.set()
    assert most == 1


def test_a_flood_of_probes_asks_a_dependency_no_more_often() -> None:
    app, handle = service()
    asked = 0

    async def check() -> None:
        nonlocal asked
        asked += 1

    handle.health.register("redis", check, cache=60)

    async def run() -> None:
        async with running(app), client(app) as asking:
            await until(lambda: asked > 0)
            for _ in range(200):
                await asking.get("/health/ready")

    asyncio.run(run())
    assert asked == 1


def test_checks_begin_without_a_lifespan_and_with_a_late_registration_too() -> None:
    app, handle = service()

    async def run() -> None:
        async with client(app) as asking:
            handle.health.register("early", lambda: True)
            await asking.get("/health/ready")
            handle.health.register("late", lambda: True)
            await until(lambda: gauge(handle, "early") == 1 and gauge(handle, "late") == 1)
            assert (await asking.get("/health/ready")).status_code == 200
            await handle.health.stop()

    asyncio.run(run())


def test_checks_end_with_the_application() -> None:
    app, handle = service()
    handle.health.register("redis", lambda: True, cache=0.01)

    async def run() -> int:
        async with running(app):
            await until(lambda: gauge(handle, "redis") == 1)
        return len(asyncio.all_tasks())

    assert asyncio.run(run()) == 1


@pytest.mark.parametrize("options", [{"timeout": 0}, {"cache": -1}, {"cache": float("inf")}])
def test_times_must_be_positive(options: dict[str, float]) -> None:
    _, handle = service()
    with pytest.raises(ValueError, match=next(iter(options))):
        handle.health.register("redis", lambda: True, **options)


def test_names_are_unique() -> None:
    _, handle = service()
    handle.health.register("redis", lambda: True)
    with pytest.raises(ValueError, match="registered already"):
        handle.health.register("redis", lambda: True)


def test_answers_are_json_and_not_kept_by_proxies() -> None:
    app, _ = service()
    answer = ask(app, "/health/ready")
    assert answer.headers["cache-control"] == "no-store"
    assert json.loads(answer.text)
