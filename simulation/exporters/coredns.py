"""Stand-in for CoreDNS as EKS and kind deploy it: names, types and labels; invented, healthy numbers.

No name is resolved: it proves that panels find the series, not that a cluster's DNS works.
"""

from __future__ import annotations

from collections.abc import Iterator

from simulation.exporters.exposition import Family, buckets
from simulation.exporters.shapes import total

_SERVER = ("dns://:53", ".", "")
"""The block of its configuration that answers, its zone, and the view, which has no name."""
_LABELS = ("server", "zone", "view")

_TYPES = {"A": 3.0, "AAAA": 3.0, "PTR": 0.1}
"""Requests a second, by the type of record."""

_ANSWERS = {"NOERROR": ("kubernetes", 2.1), "NXDOMAIN": ("kubernetes", 3.99), "SERVFAIL": ("forward", 0.01)}
"""The plugin that answers, and answers a second, by code. Most names are tried with each search domain first."""

_SHARES = {
    "0.00025": 0.6,
    "0.0005": 0.8,
    "0.001": 0.93,
    "0.002": 0.97,
    "0.004": 0.985,
    "0.008": 0.993,
    "0.016": 0.997,
    "0.032": 1,
    "0.128": 1,
    "1.024": 1,
    "8.192": 1,
    "+Inf": 1,
}
"""Upper bounds in seconds, and the share of the answers within each."""


def families(now: float) -> Iterator[Family]:
    """Return what a scrape of CoreDNS at Unix time `now` sees."""
    text = "Counter of DNS requests made per zone, protocol and family."
    asked = tuple(((*_SERVER, "udp", "1", kind), total(now, rate, kind)) for kind, rate in _TYPES.items())
    yield Family("coredns_dns_requests_total", "counter", text, (*_LABELS, "proto", "family", "type"), asked)
    text = "Counter of response status codes."
    answered = tuple(((*_SERVER, code, plugin), total(now, rate, code)) for code, (plugin, rate) in _ANSWERS.items())
    yield Family("coredns_dns_responses_total", "counter", text, (*_LABELS, "rcode", "plugin"), answered)
    text = "Histogram of the time (in seconds) each request took per zone."
    counted = ((_SERVER, sum(count for _, count in asked)),)
    yield buckets("coredns_dns_request_duration_seconds", text, _LABELS, counted, _SHARES)
