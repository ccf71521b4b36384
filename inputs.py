"""All that people write for a stack, read together: what is wrong with it is said before an engine starts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import catalogue as catalogues
import documents
import settings as configuration
from catalogue import Catalogue
from components import images
from components.alerting import rules
from settings import KEY, SECRET_KEYS, Deployment, Settings
from validation import InvalidInputError, collect


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What a stack is made of; its dashboards follow from the first two."""

    settings: Settings
    catalogue: Catalogue
    """The services as this stack has them."""
    rules: dict[str, list[dict[str, Any]]]
    """The groups of each PrometheusRule by its name."""


def read(project: Path, stack: str, instead: Mapping[str, Any] | None = None) -> Inputs:
    """The inputs of a stack, as they are if every secret is set, with these settings in place of its own.

    Raises InvalidInputError with every problem.
    """
    file = configuration.stack_file(project, stack)
    deployment = Deployment(stack, frozenset(SECRET_KEYS))

    made, known = collect(
        lambda: configuration.read_stack(file, deployment, instead), lambda: catalogues.load(project / "services.yaml")
    )
    try:
        return fitting(project, made, known)
    except InvalidInputError as error:
        line = documents.places(file, below=("config", KEY))
        keys = {field.alias: f"{line((str(field.alias),))}{KEY} " for field in Settings.model_fields.values()}
        raise InvalidInputError([keys.get(re.split(r"\W", it)[0], "") + it for it in error.problems]) from None


def fitting(project: Path, settings: Settings, known: Catalogue) -> Inputs:
    """The inputs of a stack with these settings, of the whole catalogue and the rules of the project.

    Raises InvalidInputError if they do not fit together, or a rule file is not valid.
    """
    images.refuse_unknown(settings)
    known.refuse_unknown("retention.logsByService", settings.retention.logs_by_service)
    of = known.of_stack(settings)
    return Inputs(settings=settings, catalogue=of, rules=rules.prometheus_rules(project / "alerts", of, settings))
