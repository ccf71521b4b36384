"""Stack time: with `SPEED=10` the deployed configuration runs ten times as fast, every duration divided by ten.

Scaled is how long things wait and how far they look back:
- Prometheus: intervals and timeouts of scrapes, of evaluations and of rule groups; `for` and `keep_firing_for`; every
  range, offset and step of a subquery in an expression, and in the queries of annotations; by flags, how far an instant
  query looks back, how often an alert is sent again, and what a restart makes of a `for`;
- Alertmanager: `group_wait`, `group_interval`, `repeat_interval`;
- the blackbox exporter's timeouts, which like those of scrapes are half a second at least; the log agent's interval
  between two pushes of counters, Loki's between two rounds of its compactor, and what the dead man's switch takes for
  late; and how often a simulated service checks what it depends on, or fetches prices.

Not scaled is what an event is: a rate in an expression is still one of real seconds, as the load and its latencies are,
so that `> 3 / 300` needs a tenth of the events in a window a tenth as long, and a count in a window is a tenth. Nor are
numbers of seconds (`time() - x < 3600`), hours and days of the calendar, names (`rate5m`), retention, what programs
wait for each other when they fail (retries, connections), and the 15 minutes for which Prometheus repeats a resolve.

Functions from configuration to configuration; with a speed of 1 each returns what it is given.
"""

from __future__ import annotations

import os
import re
from typing import Any

from local.errors import RehearsalError
from local.state import in_use
from quantities import DURATION_IN_TEXT, milliseconds
from simulation import CHECK_SECONDS

HIGHEST = 30
"""There an interval of 15 s is the half second that timeouts are not shorter than."""
SHORTEST_TIMEOUT = 500
"""In milliseconds: what a process may take to answer where others have the processor."""

SCRAPE, LOOKBACK, RESEND, OUTAGE_TOLERANCE = "1m", "5m", "1m", "1h"
"""Prometheus' own: how often it scrapes, how far an instant query looks back, when an alert is sent again, for how long
Prometheus may be away."""
COMPACTION = "10m"
"""Loki's own interval between two rounds of its compactor."""
PROBE_OFFSET_SECONDS = 0.5
"""The blackbox exporter's own: by how much it ends before the scrape's timeout."""

Json = dict[str, Any]

_TOKEN = re.compile(
    r"""(?P<other>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`|#[^\n]*|[A-Za-z_][\w:]*)"""
    rf"|(?<![\w.])(?P<duration>{DURATION_IN_TEXT})(?!\w)"
)
"""In PromQL nothing but a duration is a number with a unit; strings, comments and names are passed over."""
_WINDOW_IN_TEMPLATE = re.compile(rf"(?<=\[)({DURATION_IN_TEXT})(?=[\]:])")


def from_environment() -> int | None:
    """The speed that `SPEED` names; None if it is not set. Raises RehearsalError if it is no such number."""
    text = os.environ.get("SPEED")
    if not text:
        return None
    if not text.isdecimal() or not 1 <= int(text) <= HIGHEST:
        raise RehearsalError(f"SPEED={text}: expected a whole number from 1 to {HIGHEST}")
    return int(text)


def choose(asked: int | None, used: int | None) -> int:
    """The speed in use by what runs, else the one asked for, else 1.

    Raises RehearsalError if another is asked for than the one in use.
    """
    return in_use("SPEED", asked, used, otherwise=1)


def scaled(duration: str, speed: float) -> str:
    """The duration divided by `speed`, to the millisecond."""
    if speed == 1:
        return duration
    return _written(round(milliseconds(duration) / speed))


def _written(length: int) -> str:
    return f"{length}ms" if length % 1000 else f"{length // 1000}s"


def expression(promql: str, speed: float) -> str:
    """The expression with every range, offset and step scaled."""
    return _TOKEN.sub(lambda found: found["other"] or scaled(found["duration"], speed), promql)


def rules(spec: Json, speed: float) -> Json:
    """The groups of a PrometheusRule."""
    return spec if speed == 1 else spec | {"groups": [_group(group, speed) for group in spec["groups"]]}


def _group(group: Json, speed: float) -> Json:
    scaled_rules = [_rule(rule, speed) for rule in group["rules"]]
    return _with_scaled(group, ("interval", "query_offset"), speed) | {"rules": scaled_rules}


def _rule(rule: Json, speed: float) -> Json:
    made = _with_scaled(rule, ("for", "keep_firing_for"), speed) | {"expr": expression(rule["expr"], speed)}
    if "annotations" not in rule:
        return made
    annotations = {
        name: _WINDOW_IN_TEMPLATE.sub(lambda found: scaled(found[0], speed), text)
        for name, text in rule["annotations"].items()
    }
    return made | {"annotations": annotations}


def prometheus(configuration: Json, speed: float) -> Json:
    """Prometheus' configuration."""
    if speed == 1:
        return configuration
    made: Json = _deep(configuration, ("scrape_interval", "evaluation_interval", "rule_query_offset"), speed)
    default = made["global"].get("scrape_interval", scaled(SCRAPE, speed))
    scrapes = [_scrape(item, default, speed) for item in made.get("scrape_configs", [])]
    return made | {"global": _scrape(made["global"], default, speed), "scrape_configs": scrapes}


def _scrape(section: Json, interval: str, speed: float) -> Json:
    """A section with its timeout scaled: no longer than its interval, which Prometheus would refuse."""
    if "scrape_timeout" not in section:
        return section
    longest = milliseconds(section.get("scrape_interval", interval))
    return section | {"scrape_timeout": _timeout(section["scrape_timeout"], speed, longest)}


def _timeout(duration: str, speed: float, longest: int) -> str:
    unscaled = milliseconds(duration)
    return _written(min(max(round(unscaled / speed), SHORTEST_TIMEOUT), longest, unscaled))


def prometheus_flags(grace_period: str, speed: float) -> list[str]:
    """What Prometheus is started with; at a speed of 1 only what is deployed."""
    flags = [f"--rules.alert.for-grace-period={scaled(grace_period, speed)}"]
    if speed == 1:
        return flags
    return [
        *flags,
        f"--rules.alert.resend-delay={scaled(RESEND, speed)}",
        f"--rules.alert.for-outage-tolerance={scaled(OUTAGE_TOLERANCE, speed)}",
        f"--query.lookback-delta={scaled(LOOKBACK, speed)}",
    ]


def alertmanager(configuration: Json, speed: float) -> Json:
    """Alertmanager's configuration."""
    made: Json = _deep(configuration, ("group_wait", "group_interval", "repeat_interval"), speed)
    return made


def blackbox(configuration: Json, speed: int) -> Json:
    """The blackbox exporter's configuration."""
    if speed == 1:
        return configuration
    modules = configuration["modules"].items()
    made = {name: module | _probe_timeout(module, speed) for name, module in modules}
    return configuration | {"modules": made}


def _probe_timeout(module: Json, speed: int) -> Json:
    given = module.get("timeout")
    return {"timeout": _timeout(given, speed, milliseconds(given))} if given else {}


def blackbox_flags(speed: int) -> list[str]:
    """What the blackbox exporter is started with: by its own offset there would be no time left to probe in."""
    return [] if speed == 1 else [f"--timeout-offset={PROBE_OFFSET_SECONDS / speed:g}"]


def agent(configuration: Json, speed: int) -> Json:
    """The log agent's configuration."""
    if speed == 1:
        return configuration
    processors = configuration["processors"]
    interval = _with_scaled(processors["interval"], ("interval",), speed)
    return configuration | {"processors": processors | {"interval": interval}}


def loki(configuration: Json, speed: int) -> Json:
    """Loki's configuration. LokiRetentionNotApplied waits for the compactor's first round, so that is scaled, too."""
    if speed == 1:
        return configuration
    compactor = {"compaction_interval": COMPACTION} | configuration["compactor"]
    return configuration | {"compactor": _with_scaled(compactor, ("compaction_interval",), speed)}


def heartbeat_flags(period: float, grace: float, speed: int) -> list[str]:
    """What the receivers are started with, from the dead man's switch's own seconds."""
    if speed == 1:
        return []
    return [f"--heartbeat-period={period / speed:g}", f"--heartbeat-grace={grace / speed:g}"]


def check_flags(speed: int) -> list[str]:
    """What a simulated service is started with: how soon it notices that what it depends on is away."""
    return [] if speed == 1 else [f"--check-seconds={CHECK_SECONDS / speed:g}"]


def _with_scaled(section: Json, keys: tuple[str, ...], speed: float) -> Json:
    return section | {key: scaled(section[key], speed) for key in keys if key in section}


def _deep(document: Any, keys: tuple[str, ...], speed: float) -> Any:
    """The document with the durations under these keys scaled, wherever they are."""
    if speed == 1:
        return document
    if isinstance(document, dict):
        return {
            key: scaled(value, speed) if key in keys and isinstance(value, str) else _deep(value, keys, speed)
            for key, value in document.items()
        }
    if isinstance(document, list):
        return [_deep(item, keys, speed) for item in document]
    return document
