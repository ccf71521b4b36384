"""Whose series the rows read, and the bounds and the order that other boards share."""

from __future__ import annotations

from dashboards.panels import above

FAILING = 0.05
"""The critical error rate: above it a service is said to fail now."""

ERROR_RATIO = above(0.01, FAILING)
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

ALARM = "/^(down|failing) now: /"
"""The names that `named` gives services with an outage."""
MARKED = f"A service that is down, or fails more than {FAILING:.0%} of its requests, is red and says so."


def named(vector: str, *labels: str) -> str:
    """A vector with a label `name` of these labels, which says of a service that it is down or failing now.

    For what was added up over hours or days: alone it is green beside a service that has just stopped.
    """
    name = ", ".join(f'"{label}"' for label in labels)
    plain = f'label_join({vector}, "name", " ", {name})'
    states = {"down": f"({HEALTH} < 0.01)", "failing": f"(service:http_errors:ratio_rate5m{{{SERVICE}}} > {FAILING})"}
    marked = [
        f'label_replace({plain} and on (service) {now}, "name", "{state} now: $1", "name", "(.*)")'
        for state, now in states.items()
    ]
    return "sort(\n" + "\n  or ignoring (name)\n".join([*marked, plain]) + "\n)"
