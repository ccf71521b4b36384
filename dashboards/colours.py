"""Colours that mean the same on every panel: levels of log lines, statuses of answers, and outcomes.

What a label means decides, so that no panel can forget it: a legend with `{{severity}}` has the colours of levels.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from grafana_foundation_sdk.models import dashboard as model

LEVELS = {
    "CRITICAL|FATAL": "dark-red",
    "ERROR": "red",
    "WARN|WARNING": "orange",
    "INFO": "blue",
    "DEBUG|TRACE|UNKNOWN": "text",
}
STATUSES = {"5[0-9][0-9]": "red", "4[0-9][0-9]": "orange", "3[0-9][0-9]": "blue", "2[0-9][0-9]": "green"}
MEANINGS: dict[str, Mapping[str, str]] = {
    "severity": LEVELS,
    "detected_level": LEVELS,
    "level": LEVELS,
    "status_code": STATUSES,
}
"""Labels whose values have colours of their own, each value a pattern."""

SHOWN_AS_ONE = 0.5
"""From here on a count without digits after the point is not shown as 0."""


def of_labels(legends: Iterable[str]) -> list[model.DashboardFieldConfigSourceOverrides]:
    """Colours of series by the levels and statuses in their names."""
    labels = {label for legend in legends for label in re.findall(r"\{\{(\w+)\}\}", legend)}
    meant = {value: colour for label in MEANINGS if label in labels for value, colour in MEANINGS[label].items()}
    return [by_pattern(_word(value), color=fixed(colour)) for value, colour in meant.items()]


def of_series(colours: Mapping[str, str]) -> list[model.DashboardFieldConfigSourceOverrides]:
    """Colours of lines, by their names or, between slashes, patterns of them."""
    return [
        (by_pattern if series.startswith("/") else by_name)(series, color=fixed(colour))
        for series, colour in colours.items()
    ]


def of_counts(colours: Mapping[str, str]) -> list[model.DashboardFieldConfigSourceOverrides]:
    """Colours of counts, by their names, where there is something to count: nothing failed is no failure."""
    return [
        by_name(
            series,
            thresholds=model.ThresholdsConfig(
                model.ThresholdsMode.ABSOLUTE, [model.Threshold(None, "blue"), model.Threshold(SHOWN_AS_ONE, colour)]
            ),
        )
        for series, colour in colours.items()
    ]


def of_alarms(pattern: str) -> list[model.DashboardFieldConfigSourceOverrides]:
    """Red for names that match, whatever their values; nothing without a pattern."""
    red = model.ThresholdsConfig(model.ThresholdsMode.ABSOLUTE, [model.Threshold(None, "red")])
    return [by_pattern(pattern, thresholds=red)] if pattern else []


def fixed(colour: str) -> model.FieldColor:
    """One colour, whatever the value."""
    return model.FieldColor(model.FieldColorModeId.FIXED, fixed_color=colour)


def by_name(field: str, **settings: object) -> model.DashboardFieldConfigSourceOverrides:
    """Settings of the one series or column of this name."""
    return _override("byName", field, settings)


def by_pattern(pattern: str, **settings: object) -> model.DashboardFieldConfigSourceOverrides:
    """Settings of all series or columns whose names match."""
    return _override("byRegexp", pattern, settings)


def _override(matcher: str, options: str, settings: Mapping[str, object]) -> model.DashboardFieldConfigSourceOverrides:
    return model.DashboardFieldConfigSourceOverrides(
        matcher=model.MatcherConfig(matcher, options),
        properties=[model.DynamicConfigValue(setting, value) for setting, value in settings.items()],
    )


def _word(value: str) -> str:
    """A name with this value as one of its words, in capitals or not."""
    either = "|".join(dict.fromkeys([value, value.lower()])) if value.isupper() else value
    return f"/^(?:.* )?(?:{either})(?: .*)?$/"
