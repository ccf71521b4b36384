"""The catalogue: `services.yaml` and the events beside it, `events.yaml`, typed and validated."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Protocol, Self

from pydantic import Field, ValidationError, model_validator
from pydantic.json_schema import SkipJsonSchema

import catalogue_fit
import documents
from invalid import one_of
from problems import conflicts, problems, validated
from validation import (
    Flag,
    InvalidInputError,
    Line,
    List,
    Map,
    Name,
    Section,
    Url,
    collect,
    number,
    one_of_numbers,
    text,
    whole,
)

EVENTS = "events.yaml"
"""Name of the file with the events, beside the file with the services."""
LATENCY_BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Bucket bounds in seconds that all services share, whatever they are written in."""

_IN_PATH = "[A-Za-z0-9_/.~-]"
UrlPath = Annotated[
    str, text(f"/{_IN_PATH}*", "a path such as /internal/metrics: letters, digits and _ . ~ - between slashes")
]
"""Path of a URL, without anything that would need escaping in a query."""

Route = Annotated[
    str,
    text(
        rf"/({_IN_PATH}|\{{[A-Za-z0-9_]+\}})*",
        "a path such as /orders/{order_id}: letters, digits and _ . ~ - between slashes, names in braces",
    ),
]
"""Path of a URL, with a name in braces for each part of it that varies: `/orders/{order_id}`."""

Prefix = Annotated[
    str,
    text("[a-z_][a-z0-9_]{0,62}", "a prefix of metric names such as order: lower-case letters, digits, underscores"),
]
Status = Annotated[
    str,
    text(
        "[134][0-9]{2}",
        "a status of 1xx, 3xx or 4xx in quotes such as 307: 2xx is what a service is there for, 5xx fails",
    ),
]
LabelName = Annotated[
    str,
    text(
        r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?",
        "the name of a Kubernetes label such as app.kubernetes.io/name",
    ),
]
LabelValue = Annotated[
    str,
    text(
        "[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?",
        "the value of a Kubernetes label: at most 63 letters, digits, hyphens, underscores, dots",
    ),
]
Percent = Annotated[float, number(50, 100)]
EventName = Annotated[str, text("[a-z]+(_[a-z]+)*", "a name such as order_created: lower-case letters, underscores")]
Series = Annotated[
    str,
    text(
        r'[a-z_]+(\{[a-z_]+="[a-z_]+"\})?',
        'a series such as orders_total or orders_total{side="buy"}',
    ),
]


class LatencyObjective(Section):
    """How many of the requests must be answered in time."""

    percent: Percent = 95
    """Percentage of the requests."""
    within_seconds: Annotated[float, one_of_numbers(LATENCY_BOUNDS, "a bucket bound that all services have")] = 0.25
    """Time that they may take: a bucket bound, as a histogram knows no other. The stated target of 0.2 s is not a
    bound, so the next one above it is the default."""
    exempt: List[UrlPath] = ()
    """Paths that promise no time: what is expensive by design, such as a log-in, and what is answered by a redirect,
    which the histogram cannot distinguish from the call that follows."""


class Objectives(Section):
    """What a service promises over the objectives' period; the defaults are the application's stated targets."""

    availability: Percent = 99.9
    """Percentage of the requests that do not fail with 5xx."""
    latency: LatencyObjective = LatencyObjective()
    """How many are answered in time."""


class Service(Section):
    """One monitored service."""

    name: Name
    """Name of the service: its Service and container in Kubernetes, and the `service` label of its series."""
    selector: Map[LabelName, LabelValue] = Field(default_factory=dict)
    """Labels of its Kubernetes Service; none: `app: order-processor` and its name as `component`."""
    owner: Name = "order-processor"
    """The team that is notified about it: the label `owner` of its alerts."""
    runbook: Url | None = None
    """Address of the service's own runbook, which its notifications link to beside the alert's."""
    instrumented: Flag = False
    """Whether it uses the instrumentation package, which names its metrics after the service: `order` for
    `order-service`, at `/metrics`, and answers at `/health/ready`. Where only some stacks do, they name it under
    `instrumentedServices`."""
    port: Annotated[int, whole(1, 65535)]
    """Port of its Service; the port is named `http`."""
    prefix: Prefix | None = None
    """Prefix of its metrics, `order` in `order_requests_total`; none if it exposes no metrics."""
    metrics_path: UrlPath = "/metrics"
    """HTTP path of its metrics."""
    health_path: UrlPath = "/health"
    """HTTP path that the probe reads."""
    routes: List[Route] = ()
    """Every route that it serves, such as `/orders/{order_id}`, where its metrics have the raw path as a
    label: they are added up by these, and what belongs to none is counted apart. Without any, its metrics are stored as
    they are."""
    ignored_endpoints: List[UrlPath] = ()
    """Further paths whose requests do not count, beside those two."""
    ignored_statuses: List[Status] = ("307",)
    """Statuses whose requests do not count. 307 precedes a call of a path without its final slash: counting it would
    double the call."""
    objectives: Objectives = Objectives()
    """What it promises."""
    requires: List[Name] = ()
    """Services and stores it cannot work without: what pages for one of these covers its trouble, too."""
    uses: List[Name] = ()
    """Services and stores it works without, only worse: their trouble explains nothing that it fails."""

    @model_validator(mode="before")
    @classmethod
    def _told_apart(cls, document: Any) -> Any:
        if isinstance(document, dict) and "dependencies" in document:
            raise ValueError(
                "`dependencies` is no key any more; name under `requires` what it cannot work without, and under "
                "`uses` what it works without, only worse"
            )
        return document

    @model_validator(mode="before")
    @classmethod
    def _named_by_the_package(cls, document: Any) -> Any:
        if not isinstance(document, dict) or document.get("instrumented") is not True:
            return document
        return {"prefix": _package_prefix(str(document.get("name", ""))), "healthPath": "/health/ready", **document}

    def with_package(self) -> Service:
        """The service with the instrumentation package, where its entry describes it without."""
        update = {"metrics_path": "/metrics", "health_path": "/health/ready"}
        prefix = self.prefix or _package_prefix(self.name)
        return self.model_copy(update={**update, "prefix": prefix, "instrumented": True})

    @property
    def added_up(self) -> bool:
        """Whether its metrics are added up by its routes before they are stored; the package does so itself."""
        return bool(self.prefix and self.routes and not self.instrumented)

    @property
    def labels(self) -> dict[str, str]:
        """Labels that its Kubernetes Service carries."""
        return self.selector or {"app": "order-processor", "component": self.name}


def _package_prefix(name: str) -> str:
    return name.removesuffix("-service").replace("-", "_")


class Telling(Section):
    """Lines that report an event: they match all of these keys."""

    logger: Line
    """Name of the logger: `logger` of a line of the instrumentation package, `service` of a line of today."""
    action: Line
    """What was done: `context.operation` of a line of the instrumentation package, `action` of a line of today."""
    message: Line
    """How the message begins."""


class Event(Section):
    """One kind of event of the business, and the log lines that report it."""

    name: EventName
    """Name of the event: the label `event` of its counts."""
    service: Name
    """The service whose lines report it."""
    series: Series | None = None
    """The series that counts it where a service uses the instrumentation package; its lines do not count then. None if
    the package has none."""
    by: List[EventName] = ()
    """Labels of that series by which it is counted, beside its pod. Lines have none of them."""
    told_by: tuple[Telling, ...] = ()
    """The lines that report it, one line for each event."""
    untold: Line | None = None
    """Why no line reports it. The event is then measured by the package's own series alone."""
    examples: tuple[Line, ...] = ()
    """Lines that are counted, each once: of the application as it is today, and with the package."""
    echoes: tuple[Line, ...] = ()
    """Lines that report the same event once more, or look similar, and are not counted."""

    @model_validator(mode="after")
    def _told_or_not(self) -> Self:
        if bool(self.told_by) == bool(self.untold):
            raise ValueError("expected either toldBy, the lines that tell it, or untold, why none does")
        if self.told_by and not self.examples:
            raise ValueError("expected at least one of examples, a line that tells it")
        return self


class Events(Section):
    """What happens in the business: the file beside the services."""

    events: tuple[Event, ...] = Field(min_length=1)
    """The kinds of events."""


class StackServices(Protocol):
    """What a stack's settings say of the services."""

    @property
    def instrumented_services(self) -> Collection[str]:
        """Those that use the instrumentation package."""

    @property
    def absent_services(self) -> Collection[str]:
        """Those that its cluster does not run."""


class Catalogue(Section):
    """Every monitored service, in the order of the file, and what happens in the business."""

    namespace: Name = "order-processor"
    """Kubernetes namespace of the application."""
    services: tuple[Service, ...] = Field(min_length=1)
    """The monitored services."""
    events: SkipJsonSchema[tuple[Event, ...]] = ()
    """What happens in the business, as log lines tell it."""

    @property
    def measured(self) -> tuple[Service, ...]:
        """The services that expose metrics; the others are watched by their probes alone."""
        return tuple(service for service in self.services if service.prefix)

    def of_stack(self, settings: StackServices) -> Catalogue:
        """The catalogue as a stack has it: what its settings say is instrumented is, and what is absent is left out.

        Everything that is deployed, checked, simulated or measured for a stack begins with it.
        Raises InvalidInputError if a name is not in the catalogue, or if no service is left that exposes metrics.
        """
        of = self.instrumented(settings.instrumented_services).without(settings.absent_services)
        shared = [
            f"instrumentedServices: with the package, {line}" for line in catalogue_fit.shared_prefixes(of.services)
        ]
        if shared:
            raise InvalidInputError(shared)
        if not of.measured:
            left = "absentServices leaves" if self.measured else "services.yaml has"
            remedy = "give one a `prefix` or `instrumented: true`"
            raise InvalidInputError([f"{left} no service that exposes metrics, on which all rest; {remedy}"])
        return of

    def without(self, names: Collection[str]) -> Catalogue:
        """The catalogue less some services, which nobody then depends on.

        Raises InvalidInputError if a name is not in the catalogue.
        """
        self.refuse_unknown("absentServices", names)
        rest = [
            service.model_copy(
                update={
                    "requires": tuple(name for name in service.requires if name not in names),
                    "uses": tuple(name for name in service.uses if name not in names),
                }
            )
            for service in self.services
            if service.name not in names
        ]
        events = tuple(event for event in self.events if event.service not in names)
        return self.model_copy(update={"services": tuple(rest), "events": events})

    def instrumented(self, names: Collection[str]) -> Catalogue:
        """The catalogue with some services as they are with the instrumentation package.

        Raises InvalidInputError if a name is not in the catalogue.
        """
        self.refuse_unknown("instrumentedServices", names)
        services = (service.with_package() if service.name in names else service for service in self.services)
        return self.model_copy(update={"services": tuple(services)})

    def refuse_unknown(self, key: str, names: Collection[str]) -> None:
        """Raise InvalidInputError for names that are not of the catalogue, given under a key of the settings."""
        known = [service.name for service in self.services]
        unknown = sorted(set(names) - set(known))
        if unknown:
            raise InvalidInputError(
                [f"{key}: {name!r} is not in services.yaml; expected {one_of(known, name)}" for name in unknown]
            )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        wrong = catalogue_fit.conflicts(self.services, self.events)
        if wrong:
            raise conflicts(*wrong)
        return self


def load(path: Path) -> Catalogue:
    """Read and validate the catalogue: the file of the services, and the events beside it, none if that is missing.

    Raises InvalidInputError with every problem, each naming the file, the key, the value and what is allowed.
    """
    told = path.with_name(EVENTS)
    services, events = collect(
        lambda: validated(Catalogue, _without_events(path), path),
        lambda: validated(Events, documents.read(told), told).events if told.exists() else (),
    )
    try:
        return Catalogue(namespace=services.namespace, services=services.services, events=events)
    except ValidationError as error:
        raise InvalidInputError(problems(error, Catalogue, line=documents.places(told))) from error


def _without_events(path: Path) -> Any:
    """The file of the services. Raises InvalidInputError if it has events, which no reader would find there."""
    document = documents.read(path)
    if isinstance(document, dict) and "events" in document:
        raise InvalidInputError([f"{documents.places(path)(('events',))}events: unknown key; write them in {EVENTS}"])
    return document
