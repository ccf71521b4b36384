"""What a stack can be set to: each key with its type, default, limits and purpose."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from problems import conflicts
from quantities import seconds
from settings import fit
from settings.access import Access
from settings.grafana import Grafana
from settings.long_term import Metrics
from settings.notifications import BusinessHours, Escalation, Links, Notifications
from settings.resources import Storage, Workloads
from validation import (
    LONGEST,
    Address,
    BucketName,
    ClusterName,
    Duration,
    Flag,
    Line,
    List,
    Map,
    Name,
    Region,
    Section,
    Some,
    TableName,
    Url,
    Within,
    number,
    text,
    whole,
)

SHORTEST_INTERVAL_SECONDS = 10
"""The time that a scrape may take; Prometheus refuses a shorter interval."""
LONGEST_INTERVAL_SECONDS = 75
"""A quarter of the shortest window of a rule: fewer than four samples in it and rates become guesses."""


class Retention(Section):
    """How long data is kept."""

    metrics: Duration = "15d"
    """How long Prometheus keeps metrics; at least the 14d over which the error budget is counted."""
    logs: Duration = "7d"
    """How long Loki keeps logs; at least one day, in whole days."""
    logs_by_service: Map[Name, Duration] = Field(default_factory=dict)
    """The same for single services (name: duration), such as those whose lines report orders and log-ins."""

    @model_validator(mode="after")
    def _whole_days(self) -> Self:
        kept = {"logs": self.logs} | {f"logsByService.{name}": span for name, span in self.logs_by_service.items()}
        wrong = [
            f'{key}: "{span}" Loki deletes by the day; use whole days such as 7d'
            for key, span in kept.items()
            if seconds(span) % 86400
        ]
        if wrong:
            raise conflicts(*(f"retention.{line}" for line in wrong))
        return self


class Scrape(Section):
    """How often Prometheus scrapes."""

    infrastructure: Duration = "15s"
    """Interval for nodes, Kubernetes and the monitoring itself; rules are evaluated as often."""
    applications: Duration = "30s"
    """Interval for the services of the catalogue and their probes."""

    @model_validator(mode="after")
    def _within_windows(self) -> Self:
        wrong = [
            f'scrape.{name}: "{interval}" must be {SHORTEST_INTERVAL_SECONDS}s to {LONGEST_INTERVAL_SECONDS}s'
            for name, interval in (("infrastructure", self.infrastructure), ("applications", self.applications))
            if not SHORTEST_INTERVAL_SECONDS <= seconds(interval) <= LONGEST_INTERVAL_SECONDS
        ]
        if wrong:
            because = "a scrape may take 10 s, and the rules' windows of 5 m must hold four"
            raise conflicts(*(f"{line}: {because}" for line in wrong))
        return self


class Logs(Section):
    """Whose logs are kept, and how Loki runs."""

    mode: Literal["monolithic", "distributed"] = "monolithic"
    """`monolithic` is one process; `distributed` runs Loki's parts apart, each with the resources of `workloads.loki`.
    It needs `aws.logBucket`, and a storage other than `local`."""
    namespaces: List[Name] = ()
    """Namespaces whose pods' logs are kept, beside the application's. In `monitoring`, all but the log agent's own."""

    @model_validator(mode="before")
    @classmethod
    def _bucket_of_the_account(cls, document: Any) -> Any:
        if isinstance(document, dict) and "bucket" in document:
            raise ValueError("`logs.bucket` is no key any more; move it to `aws.logBucket`")
        return document


class Tracing(Section):
    """Traces in Tempo."""

    retention: Annotated[Duration, Within("1h", LONGEST, "Tempo writes a block for half an hour")] = "2d"
    """How long traces are kept."""
    share: Annotated[int, whole(1, 100)] = 100
    """Percent of all traces that are kept. Below 100, those with an error or longer than 250 ms are all kept, too; a
    log line or a dot on a graph may then lead to a trace that is not there."""


def _expression(text: str) -> str | None:
    """Go's regular expressions know no look-around and no back references; the rest is as in Python."""
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        return f"not this one: {error}"
    return "without look-around and back references" if re.search(r"\(\?[=!<]|\\[1-9]", text) else None


Pattern = Annotated[str, text(r"\S(.*\S)?", "a regular expression such as ^order-processor$", _expression)]
TagName = Annotated[str, text(r"[\w .:/=+@-]{1,128}", "the name of a tag such as Project")]
Location = Annotated[
    str,
    text(
        r"(https?|oci)://[^\s@/]+[^\s@]*|\.?/[^\s@]*",
        "an address or a directory such as https://charts.example.com, oci://registry.example.com/charts or ./charts",
    ),
]


class Aws(Section):
    """The AWS account that the application runs in. Without it there is no CloudWatch exporter."""

    region: Region
    """Region of the cluster and the tables."""
    cluster_name: ClusterName
    """Name of the EKS cluster."""
    tables: Some[TableName]
    """DynamoDB tables to watch, by name."""
    tags: Map[TagName, Pattern] = Field(default_factory=dict)
    """Tags (name: regular expression) by which the load balancer and Redis are found; they must carry at least one."""
    billing: Flag = True
    """Read estimated charges (us-east-1; billing alerts must be enabled in the account)."""
    monthly_budget_usd: Annotated[float, number(0, 1e9, above=True)] | None = None
    """Dollars that the account may cost in a month; more raises an alert. None watches no budget."""
    interval: Annotated[
        Duration,
        Within("1m", "10m", "CloudWatch has a value for every 5 min, and each request of the last 10 min is paid"),
    ] = "5m"
    """How often CloudWatch is asked. Cost is inversely proportional to it."""
    log_bucket: BucketName | None = None
    """S3 bucket for Loki, made by the program; without one, logs are on Loki's volume."""


class Redis(Section):
    """The application's Redis as its services reach it. Without it RedisDown has only CloudWatch to go by."""

    address: Address
    """Where it listens, as host:port: it is probed from the cluster, and not answering for a minute is a page."""
    tls: Flag = False
    """Whether it speaks TLS, as ElastiCache with encryption in transit does; its certificate is verified."""


class Charts(Section):
    """Where Helm charts come from."""

    source: Literal["public", "mirror", "oci", "directory"] = "public"
    """`public`: each chart's own repository; `mirror`: one chart repository; `oci`: a registry; `directory`: files."""
    location: Location | None = None
    """URL of the mirror, `oci://…` prefix of the registry, or directory of `<chart>-<version>.tgz` files."""

    @model_validator(mode="after")
    def _located(self) -> Self:
        starts = {"mirror": ("https://", "http://"), "oci": ("oci://",), "directory": ("/", "./")}
        wanted = starts.get(self.source)
        if wanted is None and self.location:
            raise ValueError(f'location: "{self.location}" has no use with source "public"; remove it')
        if wanted and not (self.location or "").startswith(wanted):
            given = f'"{self.location}"' if self.location else "it is missing, and"
            raise ValueError(f'location: {given} must start with {" or ".join(wanted)} for "{self.source}"')
        return self


Registry = Annotated[
    str,
    text(
        r"[a-z0-9-]+((\.[a-z0-9-]+)+(:\d{1,5})?|:\d{1,5})(/[a-z0-9]+([._-]+[a-z0-9]+)*)*",
        "a registry, with a path or without, such as registry.example.com/mirror or 10.0.0.5:5000",
    ),
]


ImageName = Annotated[
    str,
    text(
        r"[a-z0-9.-]+(:\d{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+:[\w.-]{1,128}",
        "an image with registry and tag such as docker.io/grafana/loki:3.7.6",
    ),
]
Digest = Annotated[str, text("sha256:[0-9a-f]{64}", "sha256: and 64 lower-case hexadecimal digits")]


class Images(Section):
    """Where container images come from, and which are pinned."""

    registry: Registry | None = None
    """A registry that has every image that `make mirror-list` prints, below the path that it has in its own registry;
    nodes must be able to pull from it without a Secret. None pulls each image from its own registry."""
    digests: Map[ImageName, Digest] = Field(default_factory=dict)
    """Digests of images by the names that `make mirror-list` prints: nodes then run exactly what was tried. A name that
    the charts no longer have is refused, so that a new chart never runs an old image."""


class Settings(Section):
    """One stack."""

    platform: Literal["eks", "kind", "other"]
    """What the stack runs on; control-plane parts that cannot be reached there are not monitored."""
    cluster: Name
    """Name of the cluster: the external label `cluster` of every metric, log and alert."""
    kube_context: Line | None = None
    """kubectl context that the stack is deployed to; none takes the current one, which `make deploy` refuses."""
    absent_services: List[Name] = ()
    """Services of the catalogue that this stack's cluster does not run: they are neither watched nor missed."""
    instrumented_services: List[Name] = ()
    """Services of the catalogue that this stack's cluster runs with the instrumentation package already, whatever their
    entries say: their metrics are at `/metrics`, and probes read `/health/ready`."""
    retention: Retention = Retention()
    """How long data is kept."""
    metrics: Metrics = Metrics()
    """Where metrics are kept beside Prometheus' own volume."""
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
    public_urls: List[Url] = ()
    """Addresses by which users reach the application: they are probed, and their certificates watched."""
    access: Access = Access()
    """Who reaches the monitoring, and what it reaches."""
    grafana: Grafana = Grafana()
    """How people reach Grafana and log in."""
    charts: Charts = Charts()
    """Where Helm charts come from."""
    images: Images = Images()
    """Where container images come from."""

    @property
    def samples(self) -> bool:
        """Whether only some traces are kept."""
        return self.tracing is not None and self.tracing.share < 100

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        wrong = fit.conflicts(self)
        if wrong:
            raise conflicts(*wrong)
        return self
