"""Prometheus rules: the plain files of `alerts/`, and the normalisation that the catalogue generates.

Pure functions. Adding an alert is one edit in `alerts/` (with its test and runbook); adding a service is one entry in
the catalogue, whose metrics `order_requests_total`, … become `instance:http_requests:sum`, … here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError

from catalogue import Catalogue, Service
from settings import Links
from validation import Duration, InvalidInputError, problems

NORMALISATION = "normalisation"
"""Name of the generated rules."""

RUNBOOKS = "runbooks"
"""Directory of the runbooks beside the rule files, one `<AlertName>.md` for each alert."""

REDIRECT = "307"
"""Status of the redirect that precedes a call of a path without its final slash: counting it would double the call."""

_PROCESS = "service, namespace, pod, container, job, instance"
"""Labels that tell one process from another. Counters may be summed within a process before rate(), never across."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Labels(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, str]
    severity: Literal["critical", "warning", "info", "none"]


class _Annotations(_Part):
    summary: str
    description: str
    dashboard: str
    """Uid of the dashboard that shows the fault, and its variables: `system-health?var-service=…`."""


class _Alert(_Part):
    alert: str = Field(pattern=r"^[A-Z][A-Za-z0-9]*$")
    expr: str
    for_: Duration | None = Field(default=None, alias="for")
    keep_firing_for: Duration | None = None
    labels: _Labels
    annotations: _Annotations


class _Recording(_Part):
    record: str = Field(pattern=r"^[a-z0-9_]+:[a-z0-9_]+:[a-z0-9_]+$")
    expr: str
    labels: dict[str, str] = Field(default_factory=dict)


def _kind(rule: Any) -> str:
    return "alert" if isinstance(rule, dict) and "alert" in rule else "record"


_Rule = Annotated[Annotated[_Alert, Tag("alert")] | Annotated[_Recording, Tag("record")], Discriminator(_kind)]


class _Group(_Part):
    name: str
    rules: list[_Rule] = Field(min_length=1)


class _RuleFile(_Part):
    groups: list[_Group] = Field(min_length=1)


def read(directory: Path) -> dict[str, dict[str, Any]]:
    """The rule files of a directory by name without `.yaml`; their tests (`*.test.yaml`) are left out.

    Raises InvalidInputError with every problem, each naming the file and the rule's place in it. PromQL is not parsed
    here; promtool does that.
    """
    files: dict[str, dict[str, Any]] = {}
    wrong: list[str] = []
    for path in sorted(directory.glob("*.yaml")):
        if path.name.endswith(".test.yaml"):
            continue
        try:
            document = yaml.safe_load(path.read_text())
            _RuleFile.model_validate(document)
        except yaml.YAMLError as error:
            wrong.append(f"{path.name}: not valid YAML: {error}")
        except ValidationError as error:
            wrong += problems(error, _RuleFile, path.name)
        else:
            files[path.stem] = document
    if wrong:
        raise InvalidInputError(wrong)
    return files


def prometheus_rules(directory: Path, catalogue: Catalogue, links: Links) -> dict[str, list[dict[str, Any]]]:
    """The rule groups of each PrometheusRule object by name: the files of `directory` and the normalisation.

    Every alert gets the addresses of its runbook and its dashboard. Prometheus loads `{"groups": …}` as it is.
    Raises InvalidInputError if a file is not valid or has a taken name, or an alert has no runbook.
    """
    files = read(directory)
    taken = f"{NORMALISATION}.yaml: the name is taken by the generated rules; choose another"
    wrong = [taken] if NORMALISATION in files else []
    wrong += [
        f"{name}.yaml {alert}: no runbook; write {directory.name}/{RUNBOOKS}/{alert}.md"
        for name, document in files.items()
        for alert in alerts(document["groups"])
        if not (directory / RUNBOOKS / f"{alert}.md").is_file()
    ]
    if wrong:
        raise InvalidInputError(wrong)
    linked = {name: [_linked_group(group, links) for group in document["groups"]] for name, document in files.items()}
    return {NORMALISATION: normalisation(catalogue)["groups"], **linked}


def alerts(groups: list[dict[str, Any]]) -> list[str]:
    """Names of the alerts in rule groups, in order, each once."""
    return list(dict.fromkeys(rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule))


def _linked_group(group: dict[str, Any], links: Links) -> dict[str, Any]:
    return group | {"rules": [_linked_rule(rule, links) if "alert" in rule else rule for rule in group["rules"]]}


def _linked_rule(rule: dict[str, Any], links: Links) -> dict[str, Any]:
    annotations = dict(rule["annotations"])
    dashboard = annotations.pop("dashboard")
    annotations["runbook_url"] = f"{links.runbooks}/{rule['alert']}.md"
    annotations["dashboard_url"] = f"{links.grafana}/d/{dashboard}"
    return rule | {"annotations": annotations}


def normalisation(catalogue: Catalogue) -> dict[str, Any]:
    """The generated rules: what the catalogue expects, and every service's metrics under one name.

    `service:expected:info{service, watched_by}` is 1 for each service. The `instance:` series are one for each
    process, which makes rate() right on them: the raw series have the request's path as a label, so most are born
    with their first event, and that one rate() never sees.
    """
    expected = [_expected(service) for service in catalogue.services]
    normalised = [rule for service in catalogue.measured for rule in _normalised(service)]
    return {"groups": [{"name": NORMALISATION, "rules": [*expected, *normalised]}]}


def _expected(service: Service) -> dict[str, Any]:
    labels = {"service": service.name, "watched_by": "metrics" if service.prefix else "probe"}
    return {"record": "service:expected:info", "expr": "vector(1)", "labels": labels}


def _normalised(service: Service) -> list[dict[str, Any]]:
    """Requests, failures and latency of one service.

    A process that has served nothing yet has 0 requests, and one without failures 0 failures: neither is absent.
    Failures are 5xx; `<prefix>_errors_total` counts the clients' 4xx as well. Redirects and what the monitoring itself
    asks for are no requests; only the histogram, which knows no status, contains the redirects.
    """
    this = f'service="{service.name}"'
    served = f'{this}, endpoint!="{service.health_path}", endpoint!="{service.metrics_path}"'
    requests = f"{service.prefix}_requests_total"
    counted = _sum(f'{requests}{{{served}, status_code!="{REDIRECT}"}}')
    failed = _sum(f'{requests}{{{served}, status_code=~"5.."}}')
    alive = _sum(f'up{{{this}, job="{service.name}"}} == 1')
    buckets = _sum(f"{service.prefix}_request_latency_seconds_bucket{{{served}}}", f"{_PROCESS}, le")
    expressions = {
        "instance:http_requests:sum": f"{counted}\nor\n0 * {alive}",
        "instance:http_errors:sum": f"{failed}\nor\n0 * instance:http_requests:sum{{{this}}}",
        "instance:http_request_latency_seconds_bucket:sum": buckets,
    }
    # They have the label anyway; stated, no two rules look like duplicates.
    return [{"record": name, "expr": expr, "labels": {"service": service.name}} for name, expr in expressions.items()]


def _sum(vector: str, labels: str = _PROCESS) -> str:
    return f"sum by ({labels}) ({vector})"
