"""Whose series the rows read, and the bounds and the order that other boards share."""

from __future__ import annotations

from dashboards.panels import above

ERROR_RATIO = above(0.01, 0.05)
"""The application's stated error rate: below 1 %, critical above 5 %."""

P95_SECONDS = above(0.2, 0.25)
"""The stated target of 200 ms, and the histogram bound nearest above it, which the alert uses."""

# A service is healthy to the share of its targets that are up, and not at all if its probe fails. Either may be
# missing: a service without metrics has no targets, and without the blackbox exporter there are no probes.
HEALTH = """
max by (service) (
  service:up:ratio{service=~"$service"} * on (service) service:probe_success:ratio{service=~"$service"}
    or on (service)
  service:up:ratio{service=~"$service"}
    or on (service)
  service:probe_success:ratio{service=~"$service"}
)
"""

SERVICE = 'service=~"$service"'
