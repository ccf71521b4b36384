"""The rules that the catalogue and the settings generate. Pure functions.

`expectations`: what should be there, as series that the plain rules of `alerts/` compare with what is.
`normalisation`: every service's metrics under one name; `order_requests_total`, … become `instance:http_requests:sum`.
`events`: what happens in the business under one name, told by series or by lines.
`business-hours`: the clock of the stack's time zone, and whether it is business hours.

Only here do rules grow with the number of services.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from catalogue import Catalogue, Event, Service
from components.alerting import business_hours
from components.expected import expected_jobs
from settings import Settings

NORMALISATION = "normalisation"
"""Name of the object with the generated rules."""
EVENTS = "events"
"""Name of the group with the counters of events."""
BUSINESS_HOURS = "business-hours"
"""Name of the group with the rules of business hours."""

UNMATCHED = "unmatched"
"""The value of `endpoint` of all requests to paths that the service does not have."""
REFUSED = ("401", "403", "429")
"""Statuses of requests that the service turned away before it did anything for them. Anybody can send as many as he
likes, so that among them no share of failures says anything.
"""

_PROCESS = "service, namespace, pod, container, job, instance"
"""Labels that tell one process from another. Counters may be summed within a process before rate(), never across."""

Rule = dict[str, Any]


def generated_groups(catalogue: Catalogue, settings: Settings) -> list[dict[str, Any]]:
    """The generated rule groups."""
    return [
        {"name": "expectations", "rules": expectations(catalogue, settings)},
        {"name": NORMALISATION, "rules": [rule for service in catalogue.measured for rule in _normalised(service)]},
        *([{"name": EVENTS, "rules": _events(catalogue.events)}] if catalogue.events else []),
        {"name": BUSINESS_HOURS, "rules": business_hours.rules(settings.business_hours)},
    ]


def expectations(catalogue: Catalogue, settings: Settings) -> list[Rule]:
    """What should be there.

    `service:expected:info{service, watched_by, owner, runbook}`: 1 for each service.
    `service:dependency:info{service, dependency}`: 1 for each thing that a service cannot work without. What mutes or
    blames by dependency reads this alone.
    `service:used_dependency:info{service, dependency}`: 1 for each thing that it works without, only worse.
    `service:slo_objective:ratio{service, sli}`: what a service promises, for each indicator.
    `monitoring:expected_job:info{job}`: 1 for each scrape job of the infrastructure.
    `aws:monthly_budget:usd`: the budget, where one is set.
    """
    rules = [_expected(service) for service in catalogue.services]
    rules += [
        _constant(name, 1, service=service.name, dependency=dependency)
        for service in catalogue.services
        for name, those in (
            ("service:dependency:info", service.requires),
            ("service:used_dependency:info", service.uses),
        )
        for dependency in those
    ]
    rules += [rule for service in catalogue.measured for rule in _objectives(service)]
    rules += [_constant("monitoring:expected_job:info", 1, job=job) for job in expected_jobs(settings)]
    if settings.aws and settings.aws.monthly_budget_usd:
        rules.append(_constant("aws:monthly_budget:usd", settings.aws.monthly_budget_usd))
    return rules


def _events(events: Iterable[Event]) -> list[Rule]:
    """Counters of what happens in the business.

    `pod:log_events:sum{event}`: what log lines tell, with the labels that scrapes give their pod. Only of what is
    scraped: of another namespace that the agent reads, the services may have the same names.
    `pod:business_events:sum{event}`: a pod's own series where it exports them, else what its log lines tell. These do
    not say of which asset an order is. Series in which a service never counts hide no lines.
    """
    lines = "log_events_total"
    for ours, agents in (("namespace", "k8s_namespace_name"), ("service", "service_name"), ("pod", "k8s_pod_name")):
        lines = f'label_replace({lines}, "{ours}", "$1", "{agents}", "(.*)")'
    told = f"sum by (namespace, service, pod, event) ({lines})\nand on (namespace, service)\nup"
    return [{"record": "pod:log_events:sum", "expr": told}, *map(_event, events)]


def _event(event: Event) -> Rule:
    lines = f'pod:log_events:sum{{event="{event.name}"}}'
    exported = f"sum by ({', '.join(('namespace', 'service', 'pod', *event.by))}) ({event.series})"
    both = f"""{exported}
unless on (namespace, service, pod)
({lines} > 0 unless on (namespace, service, pod) {event.series} > 0)
or ignoring ({", ".join(("event", *event.by))})
{lines}"""
    expr = lines if event.series is None else both if event.told_by else exported
    return {"record": "pod:business_events:sum", "expr": expr, "labels": {"event": event.name}}


def _expected(service: Service) -> Rule:
    labels = {"service": service.name, "watched_by": "metrics" if service.prefix else "probe", "owner": service.owner}
    return _constant("service:expected:info", 1, **labels, **({"runbook": service.runbook} if service.runbook else {}))


def _objectives(service: Service) -> list[Rule]:
    promised = {"availability": service.objectives.availability, "latency": service.objectives.latency.percent}
    return [
        _constant("service:slo_objective:ratio", round(percent / 100, 6), service=service.name, sli=sli)
        for sli, percent in promised.items()
    ]


def _constant(name: str, value: float, **labels: str) -> Rule:
    rule: Rule = {"record": name, "expr": f"vector({value:g})"}
    return rule | {"labels": labels} if labels else rule


def _normalised(service: Service) -> list[Rule]:
    """Requests, failures and latency of one service; the series are one for each process.

    That makes rate() right on them: the raw series have the request's path as a label, so most are born with their
    first event, and that one rate() never sees. For the same reason a process that has served nothing yet has 0
    requests, and one without failures 0 failures: neither is absent. Whether a process is there is told by its `up` of
    the same scrape: a recorded series would still be seen for 5 m when Prometheus has been away, and the counter would
    fall to 0 and rise again. Nor is there anything after a scrape that failed: one that passed a limit leaves a part of
    its series, whose sum is no counter.

    Failures are 5xx; `<prefix>_errors_total` counts the clients' 4xx as well. Redirects and what the monitoring itself
    asks for are no requests. Paths that the service does not have, which anybody can ask for as often as he likes, are
    no requests either: they are counted apart. Where one ends in a 5xx, it is the service that fails. Refused requests
    are counted apart, too: they are requests, but no ratio is a share of them.

    What the objective for latency exempts is neither timed nor slow. Timed is by the counter, as the histogram knows no
    status: of redirects and refused requests it has those that are slow, which are few.
    """
    this = f'service="{service.name}"'
    unasked = (service.health_path, service.metrics_path, *service.ignored_endpoints)
    served, known = (f"{this}, {_unlike('endpoint', *paths)}" for paths in (unasked, (*unasked, UNMATCHED)))
    requests, latency = f"{service.prefix}_requests_total", f"{service.prefix}_request_latency_seconds_bucket"
    failing = f'{requests}{{{served}, status_code=~"5.."}}'
    counted = _sum(f"{requests}{{{known}, {_unlike('status_code', *service.ignored_statuses)}}} or {failing}")
    refused = _sum(f'{requests}{{{known}, status_code=~"{"|".join(REFUSED)}"}}')
    unmatched = _sum(f'{requests}{{{this}, endpoint="{UNMATCHED}", status_code=~"4.."}}')
    up = f'up{{{this}, job="{service.name}"}} == 1'
    whole, none = f"and on (instance)\n{up}", f"or\n0 * {_sum(up)}"
    buckets = _sum(f"{latency}{{{known}}}", f"{_PROCESS}, le")
    promise = service.objectives.latency
    promised = f"{known}, {_unlike('endpoint', *promise.exempt)}" if promise.exempt else known
    timed = _sum(f"{requests}{{{promised}, {_unlike('status_code', *service.ignored_statuses, *REFUSED)}}}")
    finished = _sum(f'{latency}{{{promised}, le="+Inf"}}')
    in_time = _sum(f'{latency}{{{promised}, le="{promise.within_seconds}"}}')
    counters = {
        "instance:http_requests:sum": counted,
        "instance:http_errors:sum": _sum(failing),
        "instance:http_requests_refused:sum": refused,
        "instance:http_requests_unmatched:sum": unmatched,
        "instance:http_requests_timed:sum": timed,
        "instance:http_requests_slow:sum": f"{finished}\n-\n{in_time}",
    }
    expressions = {name: f"{counter}\n{whole}\n{none}" for name, counter in counters.items()}
    expressions["instance:http_request_latency_seconds_bucket:sum"] = f"{buckets}\n{whole}"
    # They have the label anyway; stated, no two rules look like duplicates.
    return [{"record": name, "expr": expr, "labels": {"service": service.name}} for name, expr in expressions.items()]


def _unlike(label: str, *values: str) -> str:
    """A matcher that leaves out all the values; a dot is the only character of a path that needs escaping."""
    if len(values) == 1:
        return f'{label}!="{values[0]}"'
    return f'{label}!~"{"|".join(value.replace(".", "[.]") for value in values)}"'


def _sum(vector: str, labels: str = _PROCESS) -> str:
    return f"sum by ({labels}) ({vector})"
