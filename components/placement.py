"""Where the replicas of a workload run: each on a node of its own, and all but one of them while nodes are drained.

Pure functions. A single replica has neither a budget, which would block every drain, nor others to keep away from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import parts


def left(replicas: int) -> int:
    """How many replicas a drain leaves."""
    return replicas - 1


def disruption_budget(replicas: int) -> dict[str, Any]:
    """A chart's values for Prometheus' or Alertmanager's budget."""
    return {"podDisruptionBudget": {"enabled": True, "minAvailable": left(replicas)}} if replicas > 1 else {}


def spread(part: parts.Part, replicas: int) -> dict[str, Any]:
    """A chart's values that place Prometheus or Alertmanager."""
    return {"podAntiAffinity": "hard", "topologySpreadConstraints": [_zones(part.labels)]} if replicas > 1 else {}


def pod_spec(part: parts.Part, replicas: int) -> dict[str, Any]:
    """What a pod of our own says of its place, as `spread` has the charts say."""
    if replicas == 1:
        return {}
    apart = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": dict(part.labels)}}
    return {
        "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart]}},
        "topologySpreadConstraints": [_zones(part.labels)],
    }


def roll_out(replicas: int) -> dict[str, Any]:
    """Strategy of a Deployment of `pod_spec`: a new pod takes the node of an old one, as there may be no other."""
    return {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}} if replicas > 1 else {}


def _zones(labels: Mapping[str, str]) -> dict[str, Any]:
    """Over the zones, where there are several.

    Zones are a wish and nodes are none: a volume of EBS stays in the zone of its pod's first node, so that replicas
    which share a zone once would never be placed again under a rule, and two in one zone watch better than one.
    """
    return {
        "maxSkew": 1,
        "topologyKey": "topology.kubernetes.io/zone",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": dict(labels)},  # without one, no pod counts
    }
