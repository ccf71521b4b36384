"""Makes a service of the order processor observable: metrics, ids, logs, health, business metrics, spans.

`observe(app, service="order-service")` is all that a service needs; the README has the rest.
"""

from order_processor_observability.business import Business
from order_processor_observability.health import Health
from order_processor_observability.identity import RequestIdentity, current, identify_user
from order_processor_observability.observe import Observability, observe
from order_processor_observability.outgoing import outgoing_headers, propagate, propagate_async, propagating

__all__ = [
    "Business",
    "Health",
    "Observability",
    "RequestIdentity",
    "current",
    "identify_user",
    "observe",
    "outgoing_headers",
    "propagate",
    "propagate_async",
    "propagating",
]
