"""Priority classes: whose pods find room when a node, or the cluster, is full.

Classes of our own: where clusters refuse `system-node-critical` outside of kube-system, as GKE does, a pod of the stack
would never be made.
"""

from __future__ import annotations

from typing import Any

NODE_AGENT = "monitoring-node-agent"
"""For what reads its own node and has no other place to run."""
ALERTING = "monitoring-alerting"
"""For what a page needs on its way."""


def classes() -> dict[str, dict[str, Any]]:
    """The priority classes by name. Pods without one, such as the application's, have the priority 0."""
    return {
        NODE_AGENT: {
            "value": 1_000_000,
            # Anything else can move to another node.
            "preemption_policy": "PreemptLowerPriority",
            "description": "Agents that read the node they run on: another pod makes room for them.",
        },
        ALERTING: {
            "value": 100_000,
            # What it would end may be what it watches.
            "preemption_policy": "Never",
            "description": "What pages need: the first to be placed when there is room, but no pod ends for it.",
        },
    }
