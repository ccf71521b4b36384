"""The service catalogue: `services.yaml`, typed and validated."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import yaml
from pydantic import Field, ValidationError, model_validator

from validation import InvalidInputError, Name, Section, problems

DEPENDENCIES_OUTSIDE = frozenset({"dynamodb", "redis"})
"""Dependencies that are not services of the catalogue themselves."""


class Service(Section):
    """One monitored service."""

    name: Name
    """Name of the service: its Kubernetes `component` label, Service and container, and the `service` label."""
    port: int = Field(ge=1, le=65535)
    """Port of its Service; the port is named `http`."""
    prefix: str | None = Field(default=None, pattern=r"^[a-z_][a-z0-9_]*$")
    """Prefix of its metrics, `order` in `order_requests_total`; none if it exposes no metrics."""
    metrics_path: str = Field(default="/metrics", pattern=r"^/")
    """HTTP path of its metrics."""
    health_path: str = Field(default="/health", pattern=r"^/")
    """HTTP path that the probe reads."""
    dependencies: tuple[str, ...] = ()
    """Services and stores it cannot work without."""


class Catalogue(Section):
    """Every monitored service, in the order of the file."""

    namespace: Name = "order-processor"
    """Kubernetes namespace of the application."""
    services: tuple[Service, ...] = Field(min_length=1)
    """The monitored services."""

    @property
    def measured(self) -> tuple[Service, ...]:
        """The services that expose metrics; the others are watched by their probes alone."""
        return tuple(service for service in self.services if service.prefix)

    def without(self, names: Collection[str]) -> Catalogue:
        """The catalogue less some services, which nobody then depends on.

        Raises InvalidInputError if a name is not in the catalogue.
        """
        known = [service.name for service in self.services]
        unknown = sorted(set(names) - set(known))
        if unknown:
            raise InvalidInputError(
                [f"absentServices: {name!r} is not in services.yaml; allowed: {', '.join(known)}" for name in unknown]
            )
        rest = [
            service.model_copy(
                update={"dependencies": tuple(name for name in service.dependencies if name not in names)}
            )
            for service in self.services
            if service.name not in names
        ]
        return self.model_copy(update={"services": tuple(rest)})

    @model_validator(mode="after")
    def _consistent(self) -> Catalogue:
        names = [service.name for service in self.services]
        known = {*names, *DEPENDENCIES_OUTSIDE}
        twice = sorted({name for name in names if names.count(name) > 1})
        wrong = [f"service names must be unique; given twice: {', '.join(twice)}"] if twice else []
        wrong += [
            f'{service.name} depends on "{dependency}", which is neither a service here '
            f"nor one of {', '.join(sorted(DEPENDENCIES_OUTSIDE))}"
            for service in self.services
            for dependency in service.dependencies
            if dependency not in known
        ]
        if wrong:
            raise ValueError("; ".join(wrong))
        return self


def load(path: Path) -> Catalogue:
    """Read and validate the catalogue.

    Raises InvalidInputError with every problem, each naming the file, the key, the value and what is allowed.
    """
    try:
        document = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise InvalidInputError([f"{path.name}: not valid YAML: {error}"]) from error
    try:
        return Catalogue.model_validate(document)
    except ValidationError as error:
        raise InvalidInputError(problems(error, Catalogue, path.name)) from error
