"""Logging through structlog, which the instrumentation package has configured."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from simulation.application.telemetry import Log


def structured_log(service_logger: str) -> Log:
    """Return what a service logs with; `service_logger` is the name of its main logger."""

    def log(
        level: str,
        action: str,
        message: str,
        *,
        logger: str | None = None,
        user: str | None = None,
        request_id: str | None = None,  # noqa: ARG001 - lines have it anyway
        extra: Mapping[str, object] | None = None,
    ) -> None:
        write = getattr(structlog.get_logger(logger or service_logger), level.lower())
        write(message, operation=action, username=user, **(extra or {}))

    return log
