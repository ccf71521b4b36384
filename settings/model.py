"""What a stack can be set to: each key with its type, default, limits and purpose, and how keys fit together."""

from __future__ import annotations

import datetime
import functools
import re
import zoneinfo
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, ValidationInfo, model_validator

from quantities import mebibytes, millicores, seconds
from validation import BucketName, ClusterName, Cpu, Duration, Name, Region, Section, Size, TableName, several

PROJECT = "order-processor-monitoring"
KEY = f"{PROJECT}:stack"
GRAFANA_PASSWORD = "grafanaAdminPassword"  # noqa: S105 - the name of a secret, not its content
SHORTEST_INTERVAL_SECONDS = 10
"""The time that a scrape may take; Prometheus refuses a shorter interval."""
LONGEST_INTERVAL_SECONDS = 75
"""A quarter of the shortest window of a rule: fewer than four samples in it and rates become guesses."""
LONGEST_WARNING_WAIT_SECONDS = 25 * 60
"""LogAgentDroppingLogs, LogAgentRestarted and LokiRefusingLogs look back half an hour and wait a minute themselves."""


class Retention(Section):
    """How long data is kept."""

    metrics: Duration = "15d"
    """How long Prometheus keeps metrics; at least the 14d over which the error budget is counted."""
    logs: Duration = "7d"
    """How long Loki keeps logs; at least one day, in whole days."""

    @model_validator(mode="after")
    def _whole_days(self) -> Retention:
        if seconds(self.logs) % 86400:
            raise ValueError(f'logs: "{self.logs}" Loki deletes by the day; use whole days such as 7d')
        return self


class Scrape(Section):
    """How often Prometheus scrapes."""

    infrastructure: Duration = "15s"
    """Interval for nodes, Kubernetes and the monitoring itself; rules are evaluated as often."""
    applications: Duration = "30s"
    """Interval for the services of the catalogue and their probes."""

    @model_validator(mode="after")
    def _within_windows(self) -> Scrape:
        wrong = [
            f'{name}: "{interval}" must be {SHORTEST_INTERVAL_SECONDS}s to {LONGEST_INTERVAL_SECONDS}s'
            for name, interval in (("infrastructure", self.infrastructure), ("applications", self.applications))
            if not SHORTEST_INTERVAL_SECONDS <= seconds(interval) <= LONGEST_INTERVAL_SECONDS
        ]
        if wrong:
            because = "a scrape may take 10 s, and the rules' windows of 5 m must hold four"
            raise ValueError(f"{'; '.join(wrong)}: {because}")
        return self


class Sizes(Section):
    """Size of each volume, per replica."""

    prometheus: Size = "20Gi"
    """Metrics. 90 % of it is Prometheus' own size limit, so that the volume cannot fill up."""
    alertmanager: Size = "1Gi"
    """Silences and the notification log."""
    loki: Size = "10Gi"
    """Logs, or with a bucket only the write-ahead log and the index cache."""
    grafana: Size = "2Gi"
    """Users and preferences; dashboards and data sources are provisioned."""
    tempo: Size = "10Gi"
    """Traces."""


class Storage(Section):
    """Where data is kept."""

    kind: Literal["ephemeral", "local", "class"] = "local"
    """`ephemeral` loses data with the pod; `local` makes PersistentVolumes on a node's path; `class` claims them."""
    class_name: Name = "gp3"
    """Storage class of the claims (kind `class`)."""
    create_class: bool = True
    """Create the storage class as encrypted EBS gp3 (kind `class`); false uses one that exists."""
    node_path: str = Field(default="/var/lib/order-processor-monitoring", pattern=r"^/[^\s]+$")
    """Directory on the node that holds the volumes (kind `local`)."""
    node: str | None = None
    """Host name of the node that holds the volumes (kind `local`); needed where there is more than one node."""
    protect: bool = False
    """Refuse to destroy the stack, and keep what holds data: namespace, volumes, storage class, log bucket, CRDs."""
    sizes: Sizes = Sizes()
    """Size of each volume."""


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
    def _within_limits(self) -> Resources:
        if millicores(self.cpu) > millicores(self.cpu_limit):
            raise ValueError(f'cpu: "{self.cpu}" is more than cpuLimit "{self.cpu_limit}"')
        if mebibytes(self.memory) > mebibytes(self.memory_limit):
            raise ValueError(f'memory: "{self.memory}" is more than memoryLimit "{self.memory_limit}"')
        return self


class Workload(Resources):
    """Replicas of one component, and what each may use."""

    replicas: int = Field(default=1, ge=1, le=5)
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


class Logs(Section):
    """Whose logs are kept, and how Loki runs."""

    mode: Literal["monolithic", "distributed"] = "monolithic"
    """`monolithic` is one process; `distributed` runs Loki's parts apart, each with the resources of `workloads.loki`.
    It needs `aws.logBucket`, and a storage other than `local`."""
    namespaces: tuple[Name, ...] = ()
    """Namespaces whose pods' logs are kept, beside the application's. In `monitoring`, all but the log agent's own."""

    @model_validator(mode="before")
    @classmethod
    def _bucket_of_the_account(cls, document: Any) -> Any:
        if isinstance(document, dict) and "bucket" in document:
            raise ValueError("`logs.bucket` is no key any more; move it to `aws.logBucket`")
        return document


class Tracing(Section):
    """Traces in Tempo."""

    retention: Duration = "2d"
    """How long traces are kept."""


class Slack(Section):
    """Slack, for the team. Secret: `slackWebhookUrl`."""

    channel: str = Field(default="#order-processor-alerts", pattern=r"^[#@][^\s]+$")
    """Channel that the messages go to."""


class PagerDuty(Section):
    """PagerDuty, for whoever is on call. Secret: `pagerdutyRoutingKey`."""

    url: str = Field(default="https://events.pagerduty.com/v2/enqueue", pattern=r"^https?://")
    """Events API v2; accounts in Europe use events.eu.pagerduty.com."""


class Email(Section):
    """E-mail, for escalation. Secret: `smtpPassword`."""

    to: tuple[str, ...] = Field(min_length=1)
    """Addresses that escalations go to."""
    sender: str
    """Address they come from."""
    smarthost: str = Field(pattern=r"^[^:\s]+:[0-9]+$")
    """SMTP submission server, host:port; STARTTLS is required."""
    username: str
    """SMTP user."""


class Heartbeat(Section):
    """A dead man's switch outside the cluster, called every 30 s: let it wait for 2 min. Secret: `heartbeatUrl`."""


CHANNEL_SECRETS = {
    "slack": "slackWebhookUrl",
    "pagerduty": "pagerdutyRoutingKey",
    "email": "smtpPassword",
    "heartbeat": "heartbeatUrl",
}
"""The secret key that each notification channel needs."""


@dataclass(frozen=True)
class Deployment:
    """What validation has to know of the stack that is deployed, beside its structured key."""

    stack: str
    secrets: frozenset[str]
    """The secret keys that are set."""


class Notifications(Section):
    """Notification channels, and what happens where one is not configured."""

    unset_channels: Literal["refuse", "leave-out"] = "refuse"
    """`refuse` stops where a route's channel is missing; `leave-out` routes to the channels that are there."""
    slack: Slack | None = None
    """Slack, for the team."""
    pagerduty: PagerDuty | None = None
    """PagerDuty, for whoever is on call."""
    email: Email | None = None
    """E-mail, for escalation."""
    heartbeat: Heartbeat | None = None
    """The dead man's switch."""

    @model_validator(mode="after")
    def _usable(self, info: ValidationInfo) -> Notifications:
        """In a deployment: with the channels alone whose secret is set, or refused if the routes need all."""
        if not isinstance(info.context, Deployment):
            return self
        undeclared = [channel for channel in CHANNEL_SECRETS if getattr(self, channel) is None]
        unset = {
            channel: key
            for channel, key in CHANNEL_SECRETS.items()
            if channel not in undeclared and key not in info.context.secrets
        }
        if (undeclared or unset) and self.unset_channels == "refuse":
            raise several(
                *(
                    f"{KEY} notifications.{channel}: missing; the routes need it. Declare the channel"
                    for channel in undeclared
                ),
                *(
                    f"{PROJECT}:{key}: missing; set it with: pulumi config set --stack {info.context.stack} "
                    f"--secret {key}"
                    for key in unset.values()
                ),
                f"{KEY} notifications.unsetChannels: 'refuse' needs every channel; or set "
                'notifications.unsetChannels to "leave-out" to run without them',
            )
        return self.model_copy(update=dict.fromkeys(unset))


class Escalation(Section):
    """When people are notified: how long a condition or a page must last."""

    warning_after: Duration = "15m"
    """A warning fires, and goes to Slack, when its condition held for its rule's `for` and this; at most 25m."""
    email_after: Duration = "30m"
    """A critical alert that has fired for so long, and is not acknowledged, goes to e-mail, too."""

    @model_validator(mode="after")
    def _within_windows(self) -> Escalation:
        if seconds(self.warning_after) > LONGEST_WARNING_WAIT_SECONDS:
            raise ValueError(
                f'warningAfter: "{self.warning_after}" is more than 25m: what was lost is seen in windows of 30 m, and '
                "would never be told"
            )
        return self


MACHINES_OWN = {"Factory", "localtime"}
"""What systems have beside the zones, and what each may take for another one."""


@functools.cache
def _time_zones() -> set[str]:
    """Cached, as it opens every file of the system's zones."""
    return zoneinfo.available_timezones() - MACHINES_OWN


def _time_zone(name: str) -> str:
    if name not in _time_zones():
        raise ValueError("expected an IANA time zone such as America/New_York")
    return name


def _clock(text: str) -> str:
    if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]|24:00", text):
        raise ValueError("expected a time of day such as 09:00")
    return text


def _address(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not re.fullmatch(r"[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?", host) or not re.fullmatch(r"[0-9]{1,5}", port):
        raise ValueError("expected host:port such as redis.example.com:6379, without a scheme or a path")
    if not 1 <= int(port) <= 65535:
        raise ValueError("expected a port from 1 to 65535")
    return text


Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
Clock = Annotated[str, AfterValidator(_clock)]


class BusinessHours(Section):
    """When info alerts may begin."""

    time_zone: Annotated[str, AfterValidator(_time_zone)] = "UTC"
    """IANA time zone of the hours below."""
    days: tuple[Weekday, ...] = Field(default=("monday", "tuesday", "wednesday", "thursday", "friday"), min_length=1)
    """Working days."""
    start: Clock = "09:00"
    """Start of the working day."""
    end: Clock = "17:00"
    """End of the working day, exclusive."""
    holidays: tuple[datetime.date, ...] = ()
    """Days off, as YYYY-MM-DD."""

    @model_validator(mode="after")
    def _in_order(self) -> BusinessHours:
        if self.start >= self.end:
            raise ValueError(f'start "{self.start}" must be before end "{self.end}"')
        return self


class Aws(Section):
    """The AWS account that the application runs in. Without it there is no CloudWatch exporter."""

    region: Region
    """Region of the cluster and the tables."""
    cluster_name: ClusterName
    """Name of the EKS cluster."""
    tables: tuple[TableName, ...] = Field(min_length=1)
    """DynamoDB tables to watch, by name."""
    tags: dict[str, str] = Field(default_factory=dict)
    """Tags (name: regular expression) by which the load balancer and Redis are found; they must carry at least one."""
    billing: bool = True
    """Read estimated charges (us-east-1; billing alerts must be enabled in the account)."""
    monthly_budget_usd: float | None = Field(default=None, gt=0)
    """Dollars that the account may cost in a month; more raises an alert. None watches no budget."""
    interval: Duration = "5m"
    """How often CloudWatch is asked. Cost is inversely proportional to it."""
    log_bucket: BucketName | None = None
    """S3 bucket for Loki, made by the program; without one, logs are on Loki's volume."""


class Redis(Section):
    """The application's Redis as its services reach it. Without it RedisDown has only CloudWatch to go by."""

    address: Annotated[str, AfterValidator(_address)]
    """Where it listens, as host:port: it is probed from the cluster, and not answering for a minute is a page."""
    tls: bool = False
    """Whether it speaks TLS, as ElastiCache with encryption in transit does; its certificate is verified."""


class Links(Section):
    """Addresses that notifications link to."""

    grafana: str = Field(default="http://localhost:3000", pattern=r"^https?://[^\s]+[^/]$")
    """Where people open Grafana."""
    alertmanager: str = Field(default="http://localhost:9093", pattern=r"^https?://[^\s]+[^/]$")
    """Where people open Alertmanager, to silence an alert."""
    runbooks: str = Field(pattern=r"^https?://[^\s]+[^/]$")
    """Where your team reads the pages of alerts/runbooks: each notification links to `<runbooks>/<alert>.md`."""


class Charts(Section):
    """Where Helm charts come from."""

    source: Literal["public", "mirror", "oci", "directory"] = "public"
    """`public`: each chart's own repository; `mirror`: one chart repository; `oci`: a registry; `directory`: files."""
    location: str | None = None
    """URL of the mirror, `oci://…` prefix of the registry, or directory of `<chart>-<version>.tgz` files."""

    @model_validator(mode="after")
    def _located(self) -> Charts:
        starts = {"mirror": ("https://", "http://"), "oci": ("oci://",), "directory": ("/", "./")}
        wanted = starts.get(self.source)
        if wanted is None and self.location:
            raise ValueError(f'location "{self.location}" has no use with source "public"; remove it')
        if wanted and not (self.location or "").startswith(wanted):
            raise ValueError(f'location {self.location!r} must start with {" or ".join(wanted)} for "{self.source}"')
        return self


class Settings(Section):
    """One stack."""

    platform: Literal["eks", "kind", "other"]
    """What the stack runs on; control-plane parts that cannot be reached there are not monitored."""
    cluster: Name
    """Name of the cluster: the external label `cluster` of every metric, log and alert."""
    kube_context: str | None = None
    """kubectl context that the stack is deployed to; none takes the current one, which `make deploy` refuses."""
    absent_services: tuple[str, ...] = ()
    """Services of the catalogue that this stack's cluster does not run: they are neither watched nor missed."""
    instrumented_services: tuple[str, ...] = ()
    """Services of the catalogue that this stack's cluster runs with the instrumentation package already, whatever their
    entries say: their metrics are at `/metrics`, and probes read `/health/ready`."""
    retention: Retention = Retention()
    """How long data is kept."""
    scrape: Scrape = Scrape()
    """How often Prometheus scrapes."""
    storage: Storage = Storage()
    """Where data is kept."""
    workloads: Workloads = Workloads()
    """Replicas and resources."""
    logs: Logs = Logs()
    """Whose logs are kept, and how Loki runs."""
    tracing: Tracing | None = None
    """Traces; none leaves Tempo out."""
    notifications: Notifications
    """Who is notified."""
    escalation: Escalation = Escalation()
    """When people are notified: how long a condition or a page must last."""
    business_hours: BusinessHours = BusinessHours()
    """When info alerts may begin."""
    aws: Aws | None = None
    """The AWS account; none leaves CloudWatch out."""
    redis: Redis | None = None
    """The Redis that is probed; none probes none."""
    links: Links
    """Addresses that notifications link to."""
    public_urls: tuple[Annotated[str, Field(pattern=r"^https?://\S+$")], ...] = ()
    """Addresses by which users reach the application: they are probed, and their certificates watched."""
    charts: Charts = Charts()
    """Where Helm charts come from."""

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        wrong = list(self._conflicts())
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    def _conflicts(self) -> list[str]:
        bucket, loki = self.aws and self.aws.log_bucket, self.workloads.loki.replicas
        many, local, distributed = loki > 1, self.storage.kind == "local", self.logs.mode == "distributed"
        ebs = self.storage.kind == "class" and self.storage.create_class
        rules = {
            "logs.mode: distributed needs aws.logBucket": distributed and not bucket,
            "storage.kind: local serves one Loki only; logs.mode: distributed needs class": distributed and local,
            f"workloads.loki.replicas: {loki} has no use if logs.mode is distributed; remove it": distributed and many,
            f"workloads.loki.replicas: {loki} needs aws.logBucket (a volume serves one replica)": many and not bucket,
            f"storage.kind: local serves one Loki only; workloads.loki.replicas: {loki} needs class": many and local,
            "storage.createClass makes EBS volumes, which need platform eks; set it to false, and storage.className to "
            "a class that the cluster has": ebs and self.platform != "eks",
            "workloads.grafana.replicas must be 1": self.workloads.grafana.replicas != 1,
            "workloads.tempo.replicas must be 1": self.workloads.tempo.replicas != 1,
            "aws needs platform eks": self.aws is not None and self.platform != "eks",
            "aws.monthlyBudgetUsd needs aws.billing": _budget_without_bill(self.aws),
        }
        return [text for text, broken in rules.items() if broken]


def _budget_without_bill(aws: Aws | None) -> bool:
    return aws is not None and aws.monthly_budget_usd is not None and not aws.billing
