"""Are a service's request metrics those of the contract?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from uuid import uuid4

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from order_processor_observability.contract.business import business
from order_processor_observability.contract.finding import Finding, misshapen, some
from order_processor_observability.contract.service import Answer, Service
from order_processor_observability.metrics import REQUIRED_BUCKETS
from order_processor_observability.routes import UNMATCHED

UNKNOWN_PATHS = 25
# A segment of a path that no developer writes: a number, or a long word of hexadecimal digits.
_RAW = re.compile(r"/(\d+|[0-9a-f-]{16,}|[0-9A-F-]{16,})(/|$)")


def series(answer: Answer) -> set[str]:
    """Every series of a page of metrics; none if it is no such page."""
    families = _families(answer) or {}
    return {f"{each.name}{each.labels}" for family in families.values() for each in family.samples}


def endpoints(answer: Answer) -> set[str]:
    """Every value that the label `endpoint` has on a page of metrics."""
    families = _families(answer) or {}
    return {
        each.labels["endpoint"] for family in families.values() for each in family.samples if "endpoint" in each.labels
    }


def metrics(
    service: Service, path: str, prefix: str | None, *, unknown_paths: bool, before: Answer
) -> Iterator[Finding]:
    """Findings about the metrics at `path`; without a prefix, it is that of the first family of requests.

    `before` is its page before anything was asked. Without `unknown_paths` none is asked for.
    """
    families = _families(before)
    what = f"{path} is in Prometheus' text format"
    if families is None:
        yield Finding("metrics", what, f"status {before.status}, content type {before.headers.get('content-type')}")
        return
    yield Finding("metrics", what)
    prefix = prefix or _prefix(families)
    if prefix is None:
        wrong = "no counter *_requests_total has the labels status_code and endpoint; name its prefix with --prefix"
        yield Finding("metrics", "requests are counted", wrong)
        return
    yield from _shapes(families, prefix)
    yield from _endpoints(families, prefix)
    yield from _cardinality(service, path, prefix, families) if unknown_paths else _not_tried()
    yield from business(families)


def _families(answer: Answer) -> dict[str, Metric] | None:
    if answer.status != 200:
        return None
    try:
        return {family.name: family for family in text_string_to_metric_families(answer.body)}
    except ValueError:
        return None


def _prefix(families: dict[str, Metric]) -> str | None:
    for name, family in families.items():
        if name.endswith("_requests") and any(
            {"status_code", "endpoint"} <= set(each.labels) for each in family.samples
        ):
            return name.removesuffix("_requests")
    return None


def _shapes(families: dict[str, Metric], prefix: str) -> Iterator[Finding]:
    expected = {
        f"{prefix}_requests": ("counter", {"status_code", "endpoint"}),
        f"{prefix}_errors": ("counter", {"status_code", "endpoint"}),
        f"{prefix}_request_latency_seconds": ("histogram", {"endpoint"}),
        f"{prefix}_requests_in_flight": ("gauge", set()),
        f"{prefix}_build_info": ("gauge", {"version"}),
    }
    for name, (kind, labels) in expected.items():
        what = f"{name} is a {kind} with {', '.join(sorted(labels)) or 'no labels'}"
        yield Finding("metrics", what, misshapen(families.get(name), kind, labels))
    samples = _samples(families, f"{prefix}_request_latency_seconds", "_bucket")
    bounds = {float(sample.labels["le"]) for sample in samples if "le" in sample.labels}
    missing = sorted(REQUIRED_BUCKETS - bounds)
    yield Finding("metrics", "the histogram has the objectives' bounds", f"add {missing}" if missing else None)


def _endpoints(families: dict[str, Metric], prefix: str) -> Iterator[Finding]:
    samples = _samples(families, f"{prefix}_requests", "_total")
    found = {sample.labels.get("endpoint", "") for sample in samples}
    raw = sorted(each for each in found if each != UNMATCHED and (not each.startswith("/") or _RAW.search(each)))
    wrong = f"{some(raw)}; use the route's template, such as /orders/{{order_id}}" if raw else None
    yield Finding("metrics", "endpoints are templates of routes", wrong)
    known = {(sample.labels.get("endpoint"), sample.labels.get("status_code")) for sample in samples}
    late = sorted(each for each in found - {UNMATCHED} if not {(each, "200"), (each, "500")} <= known)
    wrong = f"not so for {some(late)}; rate() never sees the first event of a series that is born with it"
    yield Finding("metrics", "statuses 200 and 500 exist from the start", wrong if late else None)


def _cardinality(service: Service, path: str, prefix: str, before: dict[str, Metric]) -> Iterator[Finding]:
    answers = [service.get(f"/{uuid4().hex}/{number}") for number in range(UNKNOWN_PATHS)]
    after = _families(service.get(path)) or {}
    known = {sample.labels.get("endpoint") for sample in _samples(before, f"{prefix}_requests", "_total")}
    new = sorted(
        {sample.labels.get("endpoint", "") for sample in _samples(after, f"{prefix}_requests", "_total")}
        - known
        - {UNMATCHED}
    )
    what = f"{UNKNOWN_PATHS} unknown paths add no series"
    yield Finding("metrics", what, f"new: {some(new)}; fold them into {UNMATCHED!r}" if new else None)
    grown = _unmatched(after, prefix) - _unmatched(before, prefix)
    counted = grown >= len(answers)
    wrong = f"{UNMATCHED!r} grew by {grown:g}; count what the router or a middleware answers as well"
    yield Finding("metrics", "they are counted", None if counted else wrong)


def _not_tried() -> Iterator[Finding]:
    wrong = f"not tried: no series has the endpoint {UNMATCHED!r}, so each may stay in one; --leave-traces tries"
    yield Finding("metrics", f"{UNKNOWN_PATHS} unknown paths add no series", wrong)


def _unmatched(families: dict[str, Metric], prefix: str) -> float:
    samples = _samples(families, f"{prefix}_requests", "_total")
    return sum(sample.value for sample in samples if sample.labels.get("endpoint") == UNMATCHED)


def _samples(families: dict[str, Metric], name: str, suffix: str) -> list[Sample]:
    return [each for each in families[name].samples if each.name == name + suffix] if name in families else []
