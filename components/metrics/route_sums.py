"""What adds up the metrics of services whose label `endpoint` is the raw path: `programs/route_sums.py`.

Pure functions. It stands between Prometheus and those services, as the prober does: what it is asked for says all that
it needs, so that nothing is to be configured and any replica can answer.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import parts
from components import placement, priorities, security
from components.images import image
from facts import PYTHON
from settings import Settings

NAME = parts.ROUTE_SUMS.service
PORT = parts.ROUTE_SUMS.port
PROGRAM = Path(__file__).with_name("programs") / "route_sums.py"
LABELS = dict(parts.ROUTE_SUMS.labels)


def config_map() -> dict[str, str]:
    """The program, as the data of a ConfigMap."""
    return {PROGRAM.name: PROGRAM.read_text()}


def service_spec() -> dict[str, Any]:
    """Where Prometheus reaches it."""
    return {"selector": LABELS, "ports": [{"name": "http", "port": PORT, "targetPort": "http"}]}


def deployment_spec(settings: Settings) -> dict[str, Any]:
    """As many as there are of Prometheus: without any, none of those services is measured."""
    replicas = settings.workloads.prometheus.replicas
    container = {
        "name": NAME,
        "image": image(PYTHON, settings),
        "command": ["python", f"/program/{PROGRAM.name}", f"--port={PORT}"],
        "ports": [{"name": "http", "containerPort": PORT}],
        "readinessProbe": _healthy(),
        # A page that is added up leaves little time for others: only one that answers nothing for long is stuck.
        "livenessProbe": _healthy() | {"periodSeconds": 30, "timeoutSeconds": 10},
        "volumeMounts": [{"name": "program", "mountPath": "/program", "readOnly": True}],
        # A page of 100,000 paths has two million lines; it is added up within the time of a scrape.
        "resources": {"requests": {"cpu": "50m", "memory": "48Mi"}, "limits": {"cpu": "1", "memory": "192Mi"}},
        "securityContext": security.user(65534),
    }
    pod = {
        "automountServiceAccountToken": False,
        "priorityClassName": priorities.ALERTING,
        "containers": [container],
        "volumes": [{"name": "program", "configMap": {"name": NAME}}],
        **placement.pod_spec(parts.ROUTE_SUMS, replicas),
    }
    # Another program is another pod: a running one does not read it again.
    annotations = {"checksum/program": hashlib.sha256(PROGRAM.read_bytes()).hexdigest()}
    return {
        "replicas": replicas,
        **placement.roll_out(replicas),
        "selector": {"matchLabels": LABELS},
        "template": {"metadata": {"labels": LABELS, "annotations": annotations}, "spec": pod},
    }


def disruption_budget(settings: Settings) -> dict[str, Any]:
    """How many of them a drain leaves; empty where there is only one."""
    replicas = settings.workloads.prometheus.replicas
    return {"minAvailable": placement.left(replicas), "selector": {"matchLabels": LABELS}} if replicas > 1 else {}


def _healthy() -> dict[str, Any]:
    return {"httpGet": {"path": "/-/healthy", "port": "http"}}
