"""Does each workload have its pods, of the newest version, and do they stay up?"""

from __future__ import annotations

from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Panel

from dashboards import board
from dashboards.board import Row
from dashboards.infrastructure.selectors import NODE, POD
from dashboards.panels import Query, above, bars, stat, table, timeseries
from dashboards.promql import series
from dashboards.terminations import last_terminations

DESIRED = ("spec_replicas", "replicas", "status_desired_number_scheduled")
READY = ("status_replicas_ready", "status_replicas_ready", "status_number_ready")
UPDATED = ("status_replicas_updated", "status_replicas_updated", "status_updated_number_scheduled")
"""What Deployments, StatefulSets and DaemonSets call the same number of pods."""

RESOURCES = (("cpu", "CPU", units.Short), ("memory", "Memory", units.BytesIEC))
CONTAINER = 'container!=""'
"""Without the sum of each pod, which names no container."""
USED = {
    "cpu": f"rate({series('container_cpu_usage_seconds_total', POD, CONTAINER)}[$__rate_interval])",
    "memory": series("container_memory_working_set_bytes", POD, CONTAINER),
}
EFFECT = {"cpu": "the container is throttled", "memory": "the kernel OOM-kills the container"}


def row() -> Row:
    """Replicas, rollouts, restarts and why, containers that wait, and what containers use."""
    return board.row(
        "Workloads",
        table(
            "Replicas of workloads",
            *(
                Query(_replicas(*figures), column)
                for column, figures in (("Desired", DESIRED), ("Ready", READY), ("Updated", UPDATED))
            ),
            by=["workload"],
            shows="Each Deployment, StatefulSet and DaemonSet: its desired pods, ready pods, and pods of its newest "
            "version.",
            wrong="Fewer ready than desired: see the restarts. Fewer updated for long: a rollout is stuck; "
            "`kubectl rollout status` says why, `kubectl rollout undo` ends it.",
            unit=units.Short,
            decimals=0,
            order=[("Workload", False)],
            width=12,
        ),
        timeseries(
            "Replicas missing",
            Query(
                f"{_replicas(*DESIRED)}\n-\n{_replicas(*READY)}",
                "{{workload}}",
            ),
            shows="Desired pods of each workload that are not ready.",
            wrong="Above zero for longer than a rollout: the new pods do not become ready. Do they wait or restart?",
            unit=units.Short,
            limits=above(1, 2),
            width=6,
        ),
        timeseries(
            "Rollouts under way",
            Query(
                f"{_replicas(*DESIRED)}\n-\n{_replicas(*UPDATED)}",
                "{{workload}}",
            ),
            shows="Pods of each workload that are still of an older version, or not made yet.",
            wrong="Above zero for longer than ten minutes: the rollout is stuck. `kubectl rollout undo` goes back.",
            unit=units.Short,
            limits=above(1, 10),
            width=6,
        ),
        stat(
            "Container restarts",
            Query(f"sum(increase({series('kube_pod_container_status_restarts_total', POD)}[$__range]))", "restarts"),
            shows="Containers restarted in the chosen time range.",
            wrong="Find the container in the bars beside it and read its previous log: `kubectl logs --previous`.",
            unit=units.Short,
            decimals=0,
            limits=above(1, 10),
            width=5,
        ),
        bars(
            "Restarts by container",
            Query(
                f"""
                sort_desc(topk(10, sum by (namespace, container)
                  (increase({series("kube_pod_container_status_restarts_total", POD)}[$__range]))))
                """,
                "{{namespace}}/{{container}}",
            ),
            shows="The ten containers that restarted most in the chosen time range.",
            wrong="Regular restarts are a crash loop or a memory limit: see memory against limit in System Health.",
            unit=units.Short,
            decimals=0,
            limits=above(1, 10),
            width=6,
        ),
        timeseries(
            "Containers that wait",
            Query(f"sum by (namespace) ({series('kube_pod_container_status_waiting', POD)})", "{{namespace}}"),
            shows="Containers that wait to be started: an image, volume or configuration is missing, or they crashed "
            "and wait for the next attempt.",
            wrong="Longer than a start takes: `kubectl describe pod` names what it waits for.",
            unit=units.Short,
            limits=above(1, 5),
            width=6,
        ),
        timeseries(
            "Containers killed for memory",
            Query(
                f"sum by (instance) (increase({series('node_vmstat_oom_kill', NODE)}[$__rate_interval]))",
                "{{instance}}",
            ),
            shows="Processes that each node's kernel OOM-killed, most often at a container's limit.",
            wrong="The alert ContainerOomKilled names the container: raise its limit, or find what made it grow.",
            unit=units.Short,
            limits=above(1, 5),
            width=7,
        ),
        last_terminations(POD, width=24, height=6),
        *(_usage(resource, title, unit) for resource, title, unit in RESOURCES),
    )


def _usage(resource: str, title: str, unit: str) -> Panel:
    """What each container uses, beside what it is promised and what it may use at most."""
    used = _of_container(f"sum by (namespace, pod, container) ({USED[resource]})")
    limit = _of_container(series("kube_pod_container_resource_limits", POD, resource=resource))
    return table(
        f"{title} by container",
        Query(used, "Used"),
        Query(_of_container(series("kube_pod_container_resource_requests", POD, resource=resource)), "Requested"),
        Query(limit, "Limit"),
        Query(f"{used}\n/\n{limit}", "Of limit"),
        by=["container"],
        units={"Of limit": units.PercentUnit},
        order=[("Of limit", True)],
        shows=f"{title} of each pod's containers: in use, requested, and at most.",
        wrong=f"Near the limit: {EFFECT[resource]}. Far below the request: lower it, so that nodes have room for more.",
        unit=unit,
        decimals=2,
        width=12,
        height=10,
    )


def _of_container(vector: str) -> str:
    return f'max by (container) (\n  label_join({vector}, "container", "/", "pod", "container")\n)'


def _replicas(deployment: str, statefulset: str, daemonset: str) -> str:
    """Pods of every workload by `workload`, its namespace and name, from each kind's series."""
    kinds = {"deployment": deployment, "statefulset": statefulset, "daemonset": daemonset}
    either = "\n    or\n".join(
        f'  label_join({series(f"kube_{kind}_{figure}", POD)}, "workload", "/", "namespace", "{kind}")'
        for kind, figure in kinds.items()
    )
    return f"max by (workload) (\n{either}\n)"
