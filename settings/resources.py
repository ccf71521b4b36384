"""Settings of what the parts of the monitoring run on: volumes, CPU, memory, replicas."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, model_validator

from problems import conflicts
from quantities import mebibytes, millicores
from validation import Cpu, Flag, Name, Section, Size, text, whole

LEAST_CPU, LEAST_MEMORY = "10m", "32Mi"
"""Limits below which none of the programs starts."""
LEAST_VOLUME, LEAST_METRICS = "100Mi", "1Gi"
"""Sizes below which a volume is full at once; Prometheus keeps the newest two hours whatever its limit is."""


def _least(lowest: str) -> AfterValidator:
    def check(size: str) -> str:
        if mebibytes(size) < mebibytes(lowest):
            raise ValueError(f"must be at least {lowest}: a smaller volume is full at once")
        return size

    return AfterValidator(check)


Volume = Annotated[Size, _least(LEAST_VOLUME)]


class Sizes(Section):
    """Size of each volume, per replica."""

    prometheus: Annotated[Size, _least(LEAST_METRICS)] = "20Gi"
    """Metrics. 90 % of it is Prometheus' own size limit, so that the volume cannot fill up."""
    alertmanager: Volume = "1Gi"
    """Silences and the notification log."""
    loki: Volume = "10Gi"
    """Logs, or with a bucket only the write-ahead log and the index cache."""
    grafana: Volume = "2Gi"
    """Users and preferences; dashboards and data sources are provisioned."""
    tempo: Volume = "10Gi"
    """Traces."""


def _no_way_up(path: str) -> str | None:
    return "without .. in it" if ".." in path.split("/") else None


NodePath = Annotated[
    str, text(r"(/[A-Za-z0-9._-]+)+", "an absolute path of a directory such as /var/lib/monitoring", _no_way_up)
]
NodeName = Annotated[
    str,
    text(
        "[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?",
        "the name of a node as `kubectl get nodes` has it, such as kind-worker",
    ),
]


class Storage(Section):
    """Where data is kept."""

    kind: Literal["ephemeral", "local", "class"] = "local"
    """`ephemeral` loses data with the pod; `local` makes PersistentVolumes on a node's path; `class` claims them."""
    class_name: Name = "gp3"
    """Storage class of the claims (kind `class`)."""
    create_class: Flag = True
    """Create the storage class as encrypted EBS gp3 (kind `class`); false uses one that exists."""
    node_path: NodePath = "/var/lib/order-processor-monitoring"
    """Directory on the node that holds the volumes (kind `local`)."""
    node: NodeName | None = None
    """Host name of the node that holds the volumes (kind `local`); needed where there is more than one node."""
    protect: Flag = False
    """Refuse to destroy the stack, and keep what holds data: namespace, volumes, storage class, log bucket, CRDs."""
    sizes: Sizes = Sizes()
    """Size of each volume."""

    @model_validator(mode="after")
    def _of_use(self) -> Self:
        wrong = {
            f"storage.node: '{self.node}' has no use with storage.kind: {self.kind}, whose volumes are on no node of "
            "your choice; remove it, or set storage.kind to local": self.node is not None and self.kind != "local",
            "storage.protect: true protects nothing with storage.kind: ephemeral, which loses data with the pod; set "
            "storage.kind to local or class": self.protect and self.kind == "ephemeral",
        }
        if any(wrong.values()):
            raise conflicts(*(line for line, broken in wrong.items() if broken))
        return self


def _require_nothing(schema: dict[str, Any]) -> None:
    schema.pop("required", None)


class Resources(Section):
    """What a container asks for and may not exceed."""

    # Each use has its own defaults (Workloads below), which a schema cannot state: to editors, nothing is required.
    model_config = ConfigDict(json_schema_extra=_require_nothing)

    cpu: Cpu
    """CPU requested."""
    memory: Size
    """Memory requested."""
    cpu_limit: Cpu
    """CPU it is throttled at."""
    memory_limit: Size
    """Memory it is killed at."""

    @model_validator(mode="after")
    def _within_limits(self) -> Self:
        if millicores(self.cpu_limit) < millicores(LEAST_CPU):
            raise ValueError(f'cpuLimit: "{self.cpu_limit}" must be at least {LEAST_CPU}: no part starts with less')
        if mebibytes(self.memory_limit) < mebibytes(LEAST_MEMORY):
            raise ValueError(
                f'memoryLimit: "{self.memory_limit}" must be at least {LEAST_MEMORY}: no part starts with less'
            )
        if millicores(self.cpu) > millicores(self.cpu_limit):
            raise ValueError(f'cpu: "{self.cpu}" is more than cpuLimit "{self.cpu_limit}"')
        if mebibytes(self.memory) > mebibytes(self.memory_limit):
            raise ValueError(f'memory: "{self.memory}" is more than memoryLimit "{self.memory_limit}"')
        return self


class Workload(Resources):
    """Replicas of one component, and what each may use."""

    replicas: Annotated[int, whole(1, 5)] = 1
    """Number of replicas."""


def _workload(cpu: str, memory: str, cpu_limit: str, memory_limit: str) -> Workload:
    return Workload(cpu=cpu, memory=memory, cpu_limit=cpu_limit, memory_limit=memory_limit)


class Workloads(Section):
    """The components that grow with the load; what a stack leaves out keeps its default."""

    prometheus: Workload = _workload("200m", "512Mi", "1", "2Gi")
    """Prometheus."""
    alertmanager: Workload = _workload("20m", "64Mi", "200m", "256Mi")
    """Alertmanager; three replicas survive the loss of a node."""
    grafana: Workload = _workload("100m", "256Mi", "500m", "512Mi")
    """Grafana; one replica, its database is a file."""
    loki: Workload = _workload("100m", "256Mi", "1", "1Gi")
    """Loki, or each part of a distributed one; more than one needs a bucket, and no `local` storage."""
    log_agent: Resources = Resources(cpu="100m", memory="128Mi", cpu_limit="1", memory_limit="512Mi")
    """Log agent, one on each node."""
    tempo: Workload = _workload("50m", "256Mi", "500m", "1Gi")
    """Tempo; one replica, traces are on its volume."""

    @model_validator(mode="before")
    @classmethod
    def _keep_defaults(cls, document: Any) -> Any:
        if not isinstance(document, dict):
            return document
        defaults = {field.alias: field.default for field in cls.model_fields.values()}
        return {
            key: {**defaults[key].model_dump(by_alias=True), **given}
            if key in defaults and isinstance(given, dict)
            else given
            for key, given in document.items()
        }
