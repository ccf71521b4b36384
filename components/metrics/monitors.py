"""What Prometheus scrapes and probes of the application: pure functions of the catalogue."""

from __future__ import annotations

from typing import Any

import parts
from catalogue import Catalogue, Service
from components.metrics import prober
from facts import SAMPLE_LIMIT
from settings import Redis, Settings

LONGEST_PATH = 256
"""Characters of a raw path as a label. Whoever sends a longer one would make every scrape fail by the next limit."""
LABEL_LIMITS = {"labelLimit": 30, "labelNameLengthLimit": 128, "labelValueLengthLimit": 4 * LONGEST_PATH}
"""Fuses of each series; lengths are in bytes, of which a character has up to four."""
BODY_LIMIT = "16MB"
"""Fuse of a page: twice what so many samples take."""
PROBE_SAMPLES = 1_000
"""Fuse of a probe, which has twenty. Its page is the prober's own: the body's limit is that of all scrapes."""
PUBLIC_PROBES = "public-probes"
"""Job of the probes of public addresses, which the rules know it by."""
REDIS_PROBE = "redis-probe"
"""Job of the probe of Redis."""

_THROUGH_ROUTE_SUMS: tuple[dict[str, Any], ...] = (
    # It asks the process; the series stay those of the process.
    {"action": "replace", "sourceLabels": ["__address__"], "targetLabel": "__param_target"},
    {"action": "replace", "sourceLabels": ["__address__"], "targetLabel": "instance"},
    {"action": "replace", "targetLabel": "__address__", "replacement": parts.ROUTE_SUMS.address},
)


def service_monitor(service: Service, catalogue: Catalogue, settings: Settings) -> dict[str, Any]:
    """Spec of the ServiceMonitor of one service that exposes metrics."""
    return {
        "namespaceSelector": {"matchNames": [catalogue.namespace]},
        "selector": {"matchLabels": service.labels},
        "sampleLimit": SAMPLE_LIMIT,
        "bodySizeLimit": BODY_LIMIT,
        **LABEL_LIMITS,
        "endpoints": [
            {
                "port": "http",
                "path": service.metrics_path,
                **({"params": {"route": list(service.routes)}} if service.added_up else {}),
                "interval": settings.scrape.applications,
                "scrapeTimeout": "10s",
                "relabelings": [
                    # The operator's `endpoint` (the port's name) would displace the application's own label.
                    {"action": "labeldrop", "regex": "endpoint"},
                    {"action": "replace", "targetLabel": "service", "replacement": service.name},
                    {"action": "replace", "targetLabel": "job", "replacement": service.name},
                    *(_THROUGH_ROUTE_SUMS if service.added_up else ()),
                ],
                "metricRelabelings": [
                    # One series per counter and histogram that nothing reads.
                    {"action": "drop", "sourceLabels": ["__name__"], "regex": ".+_created"},
                    {"action": "drop", "sourceLabels": ["endpoint"], "regex": f".{{{LONGEST_PATH + 1},}}"},
                ],
            }
        ],
    }


def probe(service: Service, catalogue: Catalogue, settings: Settings) -> dict[str, Any]:
    """Spec of the Probe that asks one service for its health."""
    url = f"http://{service.name}.{catalogue.namespace}.svc:{service.port}{service.health_path}"
    return _probe(
        parts.PROBES_JOB,
        prober.HEALTH,
        settings.scrape.applications,
        {"static": [url], "labels": {"service": service.name}},
    )


def public_probe(urls: tuple[str, ...], settings: Settings) -> dict[str, Any]:
    """Spec of the Probe that asks the addresses of users, and reads the certificates they are served with.

    Its series have the address as `instance` and no label `service`: that label is what tells a service's own targets.
    """
    return _probe(PUBLIC_PROBES, prober.HTTP_2XX, settings.scrape.applications, {"static": list(urls)})


def redis_probe(redis: Redis, settings: Settings) -> dict[str, Any]:
    """Spec of the Probe that asks Redis for a sign of life. Its series have the address as `instance`."""
    return _probe(REDIS_PROBE, prober.REDIS, settings.scrape.infrastructure, {"static": [redis.address]})


def _probe(job: str, module: str, interval: str, targets: dict[str, Any]) -> dict[str, Any]:
    return {
        "jobName": job,
        "prober": {"url": parts.BLACKBOX_EXPORTER.address},
        "module": module,
        "interval": interval,
        "scrapeTimeout": "10s",
        "sampleLimit": PROBE_SAMPLES,
        **LABEL_LIMITS,
        "targets": {"staticConfig": targets},
    }
