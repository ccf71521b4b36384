"""Is the process alive, and can it do its work? Endpoints, and the checks of what the service depends on.

Checks run by themselves, one task for each dependency, from the start of the application on; the endpoints tell what
was found last. So neither a hanging database nor a flood of probes can make the other worse.
"""

from __future__ import annotations

import asyncio
import inspect
import math
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import structlog
from prometheus_client import CollectorRegistry, Gauge

Check = Callable[[], Awaitable[object] | object]
"""Says False or raises if the dependency is not usable. Plain functions run in a thread of their own."""

_log = structlog.get_logger("health")


@dataclass
class _Dependency:
    name: str
    check: Check
    timeout: float
    cache: float
    up: bool | None = None
    """None: not known yet."""
    reason: str | None = None
    checked: float = 0.0
    threads: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        # One thread: a check that hangs must not start another one that hangs.
        self.threads = ThreadPoolExecutor(1, f"check-{self.name}")

    async def ask(self) -> None:
        """Run the check once. Raises what it raises, TimeoutError, or RuntimeError if it says False."""
        async with asyncio.timeout(self.timeout):
            if inspect.iscoroutinefunction(self.check):
                result = await self.check()
            else:
                result = await asyncio.get_running_loop().run_in_executor(self.threads, self.check)
                if inspect.isawaitable(result):
                    result = await result
        if result is False:
            raise RuntimeError("the check says no")


class Health:
    """The dependencies of a service and their state."""

    def __init__(self, service: str, prefix: str, registry: CollectorRegistry) -> None:
        self._service = service
        self._dependencies: dict[str, _Dependency] = {}
        self._gauge = Gauge(
            f"{prefix}_dependency_up",
            "1 if the dependency could be used at the last check, 0 if not.",
            ["dependency"],
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def register(self, name: str, check: Check, *, timeout: float = 1.0, cache: float = 5.0) -> None:
        """Have a dependency checked every `cache` seconds, for at most `timeout` seconds each time.

        `check` says False or raises if the dependency is not usable. Raises ValueError for a name that is taken, and
        for times that are not positive.
        """
        if name in self._dependencies:
            raise ValueError(f"health: {name!r} is registered already; give each dependency its own name")
        for key, seconds in (("timeout", timeout), ("cache", cache)):
            if not (seconds > 0 and math.isfinite(seconds)):
                raise ValueError(f"health: {key}={seconds} of {name!r} must be a positive number of seconds")
        dependency = self._dependencies[name] = _Dependency(name, check, timeout, cache)
        if self._loop is not None and self._loop.is_running():
            self._loop.call_soon_threadsafe(self._watch, dependency)

    def start(self) -> None:
        """Begin to check, if that has not begun in this event loop."""
        loop = asyncio.get_running_loop()
        if self._loop is loop:
            return
        self._loop, self._tasks = loop, []
        for dependency in self._dependencies.values():
            self._watch(dependency)

    async def stop(self) -> None:
        """End all checks."""
        tasks, self._tasks, self._loop = self._tasks, [], None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def ready(self) -> bool:
        """Whether all dependencies could be used when they were last checked; False before the first check."""
        return all(dependency.up for dependency in self._dependencies.values())

    def report(self) -> dict[str, object]:
        """What the endpoints answer. It names kinds of errors only, as anybody may read it."""
        now = time.monotonic()
        known = {
            each.name: {"up": each.up, "reason": each.reason, "seconds_ago": round(now - each.checked, 1)}
            if each.checked
            else {"up": None, "reason": "not checked yet"}
            for each in self._dependencies.values()
        }
        return {
            "status": "healthy" if self.ready else "degraded",
            "service": self._service,
            "dependencies": known,
        }

    def _watch(self, dependency: _Dependency) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(self._keep_checking(dependency)))

    async def _keep_checking(self, dependency: _Dependency) -> None:
        while True:
            await self._check(dependency)
            await asyncio.sleep(dependency.cache)

    async def _check(self, dependency: _Dependency) -> None:
        error: Exception | None = None
        try:
            await dependency.ask()
        except Exception as raised:
            error = raised
        was, dependency.up = dependency.up, error is None
        dependency.reason = type(error).__name__ if error else None
        dependency.checked = time.monotonic()
        self._gauge.labels(dependency.name).set(dependency.up)
        if error is not None and was is not False:
            _log.warning("A dependency cannot be used.", dependency=dependency.name, exc_info=error)
        elif error is None and was is False:
            _log.info("A dependency can be used again.", dependency=dependency.name)
