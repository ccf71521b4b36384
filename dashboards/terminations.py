"""Why containers ended, which Infrastructure shows of all and Service detail of the service's own."""

from __future__ import annotations

from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Panel

from dashboards.panels import Query, table
from dashboards.promql import series


def last_terminations(selected: str, *, width: int, height: int = 8) -> Panel:
    """A row for each container that ended at least once, with why and when it did last."""
    reason = series("kube_pod_container_status_last_terminated_reason", selected)
    ended = series("kube_pod_container_status_last_terminated_timestamp", selected)
    return table(
        "Last terminations",
        Query(
            f"""
            1000 * max by (container, pod, reason) (
              {reason} * on (namespace, pod, container) group_left () {ended}
            )
            """,
            "Ended",
        ),
        by=["container", "pod", "reason"],
        shows="Containers that were started again after they ended: why, and when last. Those of pods that are gone "
        "are not here.",
        wrong="OOMKilled: raise the memory limit or find the leak. Error: `kubectl logs --previous` has its last log "
        "lines. Completed: it exited without an error, which a service should not.",
        unit=units.DateTimeFromNow,
        empty="No container has ended",
        width=width,
        height=height,
    )
