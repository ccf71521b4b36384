"""The simulated Python services: what tells one from another besides its handlers."""

from __future__ import annotations

from dataclasses import dataclass

from order_processor_observability.business import Group

METRICS_PATH = "/internal/metrics"


@dataclass(frozen=True)
class Kind:
    """One Python service of the application."""

    logger: str  # its main logger's name, which is also the metrics' prefix
    handlers: str  # the module with its routes
    median_ms: float  # typical service time in milliseconds
    business: tuple[Group, ...] = ()  # the business metrics that are its own
    mounts_metrics: bool = True  # whether it exposes metrics today


KINDS = {
    "user-service": Kind("user", "users", median_ms=6, business=("users", "portfolio")),
    "inventory-service": Kind("inventory", "inventory", median_ms=4, business=("prices",)),
    "order-service": Kind("order", "orders", median_ms=9, business=("orders",)),
    "auth-service": Kind("auth", "auth", median_ms=1.5),
    "insights-service": Kind("insights", "insights", median_ms=40, mounts_metrics=False),
}
