"""Which scrape jobs of the infrastructure a stack must have. Pure functions.

The rule: what an alert or a dashboard reads must be there, or it would be silent and empty without a word. The rest
(the API server, the control plane, Tempo) has the alerts of kube-prometheus-stack, or nobody who would miss its series.
"""

from __future__ import annotations

import parts
from components.metrics.monitors import REDIS_PROBE
from settings import Settings


def expected_jobs(settings: Settings) -> tuple[str, ...]:
    """The jobs, as the pinned charts' monitors name them."""
    return (
        *(part.job for part in parts.of_stack(settings) if part.job and part.read),
        parts.KUBELET_JOB,
        *([REDIS_PROBE] if settings.redis else []),
    )
