"""When people are told. Prometheus decides when, by `for`; Alertmanager only to whom. Pure functions.

A wait in Alertmanager, a long `group_wait`, begins anew at each reload and each restart, is skipped by what joins a
group, and takes what fires at two moments for what fired all the time. `for` does none of this.
"""

from __future__ import annotations

from typing import Any

from quantities import duration, seconds
from settings import Escalation, Links

UNRESOLVED = "PageUnresolved"
"""Alert on a page that nobody resolved or acknowledged; its label `page` names the page's alert.

Its severity is none: like Watchdog it has a route of its own, and dashboards and other rules leave it out. To silence
it is to acknowledge the page, whose own resolve is then still told.
"""

Rule = dict[str, Any]


def when_told(rule: Rule, escalation: Escalation) -> Rule:
    """The alert with the `for` that it is deployed with: a warning fires, and is told, `warningAfter` later."""
    if rule["labels"]["severity"] != "warning":
        return rule
    return rule | {"for": later(rule.get("for", "0s"), escalation.warning_after)}


def later(wait: str, by: str) -> str:
    """A duration that is longer by another."""
    return duration(seconds(wait) + seconds(by))


def escalations(pages: list[Rule], escalation: Escalation, links: Links) -> list[Rule]:
    """PageUnresolved for each critical alert, with that one's links; and one for those that the charts bring.

    It reads that the page fires and not why, so that what keeps the page firing keeps this firing, too.
    """
    ours = [
        _unresolved(f'alertname="{page["alert"]}"', page["alert"], page["annotations"], escalation) for page in pages
    ]
    names = "|".join(page["alert"] for page in pages)
    annotations = {
        "summary": "A page is neither resolved nor acknowledged.",
        "runbook_url": f"{links.runbooks}/{UNRESOLVED}.md",
        "dashboard_url": f"{links.grafana}/d/system-health",
    }
    return [*ours, _unresolved(f'alertname!~"{names}"', "{{ $labels.alertname }}", annotations, escalation)]


def _unresolved(which: str, page: str, annotations: dict[str, str], escalation: Escalation) -> Rule:
    described = (
        f"{{{{ $labels.alertname }}}} has fired for {escalation.email_after}; it is neither resolved nor acknowledged."
    )
    return {
        "alert": UNRESOLVED,
        "expr": (f'max without (alertstate) (\n  ALERTS{{{which}, alertstate="firing", severity="critical"}}\n)\n'),
        "for": escalation.email_after,
        "labels": {"page": page, "severity": "none"},
        "annotations": annotations | {"description": described},
    }
