"""The jobs that must be there are those that are read, and those that the rehearsal plays."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

import catalogue
import dashboards
from checks.program import document
from components.alerting import rules
from components.expected import expected_jobs
from components.metrics.monitors import PUBLIC_PROBES, REDIS_PROBE
from facts import ROOT
from rehearsal.chart_targets import CHART_TARGETS
from settings import Settings, parse

CATALOGUE = catalogue.load(ROOT / "services.yaml")
NOT_OF_THE_INFRASTRUCTURE = {"service-probes", PUBLIC_PROBES} | {service.name for service in CATALOGUE.services}


def settings(stack: str, overrides: dict[str, Any] | None = None) -> Settings:
    return parse(document(stack, overrides))


def jobs_read() -> Iterator[str]:
    """Every job that an expression of a rule or a dashboard names."""
    expressions = [
        rule["expr"]
        for file in rules.read(ROOT / "alerts").values()
        for group in file["groups"]
        for rule in group["rules"]
    ]
    expressions += [text.replace('\\"', '"') for text in dashboards.load(CATALOGUE).values()]
    for expression in expressions:
        for _, jobs in re.findall(r'\bjob(=~?)"([^"$]*)"', expression):
            yield from jobs.split("|")


def test_the_rehearsal_plays_every_expected_job_and_no_other() -> None:
    """Otherwise TargetMissing would fire there, or something that is played would be missed by nobody.

    CoreDNS is not expected: where a cluster answers names by other means, as EKS Auto Mode does, it is never there.
    """
    played = {target.job for target in CHART_TARGETS} - {"coredns"} | {REDIS_PROBE}
    assert set(expected_jobs(settings("prod"))) == played
    assert set(expected_jobs(settings("dev"))) == played - {"cloudwatch-exporter"}


def test_every_job_that_a_rule_or_a_dashboard_reads_is_expected() -> None:
    read = set(jobs_read()) - NOT_OF_THE_INFRASTRUCTURE
    assert {"kubelet", "kube-state-metrics", "kube-prometheus-stack-alertmanager"} <= read
    assert read <= set(expected_jobs(settings("prod")))


@pytest.mark.parametrize(
    ("mode", "job"), [("monolithic", "monitoring/loki"), ("distributed", "monitoring/loki-distributor")]
)
def test_loki_has_the_job_of_the_part_that_is_deployed(mode: str, job: str) -> None:
    jobs = expected_jobs(settings("prod", {"logs": {"mode": mode}}))
    assert [name for name in jobs if "loki" in name] == [job]


def test_no_job_is_expected_twice() -> None:
    jobs = expected_jobs(settings("prod"))
    assert len(jobs) == len(set(jobs))
