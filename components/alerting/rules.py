"""Prometheus rules: the plain files of `alerts/`, with what every alert gets, and the generated ones.

Pure functions. Adding an alert is one edit in `alerts/` (with its test and runbook); adding a service is one entry in
the catalogue.
"""

from __future__ import annotations

import difflib
import re
import textwrap
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

import dashboards
import documents as yaml_files
from catalogue import Catalogue
from components.alerting import business_hours
from components.alerting.escalation import escalations, when_told
from components.alerting.normalisation import NORMALISATION, generated_groups
from documents import Loc
from invalid import one_of
from problems import path as key_path
from problems import validated
from quantities import DURATION_IN_TEXT, milliseconds, seconds
from settings import Settings
from validation import InvalidInputError, text

ESCALATION = "escalation"
"""Name of the object with the alerts on pages that nobody resolved or acknowledged."""
LONG_TERM = "long-term"
"""Name of the file about metrics that are written to a second place; without one it is not deployed."""
RUNBOOKS = "runbooks"
"""Directory of the runbooks beside the rule files, one `<AlertName>.md` for each alert."""


Json = dict[str, Any]


def _whole_seconds(text: str) -> str | None:
    try:
        seconds(text)
    except ValueError:
        return "units from long to short, each once, in whole seconds"
    return None


_Wait = Annotated[str, text(DURATION_IN_TEXT, "a duration in Prometheus' form such as 5m or 1h30m", _whole_seconds)]
_Text = Annotated[str, text(r"[\s\S]*\S[\s\S]*", "text")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Labels(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, _Text]
    severity: Literal["critical", "warning", "info", "none"]


class _Annotations(_Part):
    summary: _Text
    description: _Text
    dashboard: _Text
    """Uid of the dashboard that shows the fault, and its variables: `system-health?var-service=…`."""


class _Alert(_Part):
    alert: Annotated[str, text("[A-Z][A-Za-z0-9]*", "the name of an alert such as ServiceDown")]
    expr: _Text
    for_: _Wait | None = Field(default=None, alias="for")
    keep_firing_for: _Wait | None = None
    labels: _Labels
    annotations: _Annotations


class _Recording(_Part):
    record: Annotated[
        str,
        text(
            "[a-z0-9_]+:[a-z0-9_]+:[a-z0-9_]+", "a name as level:metric:operations such as service:http_requests:rate5m"
        ),
    ]
    expr: _Text
    labels: dict[str, _Text] = Field(default_factory=dict)


def _kind(rule: Any) -> str:
    return "alert" if isinstance(rule, dict) and "alert" in rule else "record"


_Rule = Annotated[Annotated[_Alert, Tag("alert")] | Annotated[_Recording, Tag("record")], Discriminator(_kind)]


class _Group(_Part):
    name: _Text
    interval: _Wait | None = None
    """How often it is evaluated, where that is not as often as the infrastructure is scraped."""
    rules: list[_Rule] = Field(min_length=1)


class _RuleFile(_Part):
    groups: list[_Group] = Field(min_length=1)


TESTS = ".test.yaml"
"""How the name of a rule file's tests ends."""


def files(directory: Path) -> list[Path]:
    """The rule files of a directory, without their tests.

    Raises InvalidInputError for what looks like a rule file and would be none: by another ending, in a directory below,
    or with a name that Kubernetes refuses.
    """
    found = [path for path in sorted(directory.glob("*.yaml")) if not path.name.endswith(TESTS)]
    known = {*found, *directory.glob(f"*{TESTS}")}
    astray = [path for path in sorted(directory.rglob("*")) if path.suffix.lower() in _ENDINGS and path not in known]
    wrong = [
        f"{directory.name}/{path.relative_to(directory)}: is not read; rule files are {directory.name}/<name>.yaml"
        for path in astray
        if not path.name.startswith(".")
    ]
    wrong += [
        f"{directory.name}/{path.name}: expected {_FILE.expected} before .yaml; rename the file"
        for path in found
        if _FILE.check(path.stem) is not None
    ]
    if wrong:
        raise InvalidInputError(wrong)
    return found


_ENDINGS = {".yaml", ".yml", ".json", ".rules", ".rule"}
_FILE = text("[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", "lower-case letters, digits and hyphens")


def read(directory: Path) -> dict[str, dict[str, Any]]:
    """The rule files of a directory by name without `.yaml`; their tests (`*.test.yaml`) are left out.

    Raises InvalidInputError with every problem, each naming the file, the group and the rule. PromQL is not parsed
    here; promtool does that (`engine.rule_files`).
    """
    documents: dict[str, dict[str, Any]] = {}
    wrong: list[str] = []
    for path in files(directory):
        try:
            documents[path.stem] = _read(path, f"{directory.name}/{path.name}")
        except InvalidInputError as error:
            wrong += error.problems
    if wrong:
        raise InvalidInputError(wrong)
    return documents


def _read(path: Path, name: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml_files.read(path, name)
    validated(_RuleFile, document, path, name, _key)
    return document


def _key(document: Any, loc: Loc) -> str:
    """Where a key is: below the alert's or the series' name, as people look for it, and not below numbers."""
    match loc:
        case ("groups", int(number), "rules", int(index), _, *rest):
            rule = document["groups"][number]["rules"][index]
            named = isinstance(rule, dict) and (rule.get("alert") or rule.get("record"))
            group = document["groups"][number].get("name")
            start = named if isinstance(named, str) else f"group {group}, rule {index + 1}"
            return f"{start} {key_path(tuple(rest))}".rstrip()
        case ("groups", int(number), *rest):
            group = document["groups"][number]
            named = isinstance(group, dict) and group.get("name")
            return f"{f'group {named}' if named else f'groups[{number}]'} {key_path(tuple(rest))}".rstrip()
    return key_path(loc)


def place(directory: Path, name: str, rule: Json, key: Loc = ()) -> str:
    """Where a rule file has this rule, or a key of it, and its name, as `alerts/services.yaml:12: ServiceDown`."""
    path, called = directory / f"{name}.yaml", f"{directory.name}/{name}.yaml"
    groups = yaml_files.read(path, called)["groups"]
    places = (
        ("groups", number, "rules", index)
        for number, group in enumerate(groups)
        for index, each in enumerate(group["rules"])
        if each == rule
    )
    return f"{yaml_files.places(path, called)((*next(places), *key))}{rule.get('alert') or rule['record']}"


def prometheus_rules(directory: Path, catalogue: Catalogue, settings: Settings) -> dict[str, list[dict[str, Any]]]:
    """The rule groups of each PrometheusRule object by name: the files of `directory` and the generated ones.

    Every alert gets its owner and the addresses of its runbook and its dashboard, and fires when it is to be told: what
    warns of a symptom is silent where a page says it, and an info alert begins in business hours. Prometheus loads
    `{"groups": …}` as it is. Raises InvalidInputError if a file is not valid or has a taken name, an alert has no
    runbook or names no dashboard, a rule looks back further than metrics are kept, or an info alert waits for longer
    than a day has hours.
    """
    files = read(directory)
    if settings.metrics.remote_write is None:
        files.pop(LONG_TERM, None)
    plain = {name: document["groups"] for name, document in files.items()}
    objects = {NORMALISATION: generated_groups(catalogue, settings)} | plain
    wrong = [
        *_taken(files, directory),
        *_without_runbook(plain, directory),
        *_without_dashboard(plain, directory),
        *_of_no_label(objects, plain, directory),
        *_beyond_retention(objects, settings, directory),
        *_longer_than_business_hours(plain, settings, directory),
    ]
    if wrong:
        raise InvalidInputError(wrong)
    complete = partial(_completed, settings=settings, runbooks=any(service.runbook for service in catalogue.services))
    deployed = {name: [_with_alerts(group, complete) for group in groups] for name, groups in plain.items()}
    unresolved = escalations(_pages(deployed), settings.escalation, settings.links)
    return objects | deployed | {ESCALATION: [{"name": ESCALATION, "rules": unresolved}]}


def windows(expression: str) -> list[str]:
    """Every range and offset that an expression looks back, such as `5m`. What is no duration, promtool refuses."""
    found = _LOOKS_BACK.findall(_NO_CODE.sub("", expression))
    return [window for window in found if _is_duration(window)]


_NO_CODE = re.compile(r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`|#[^\n]*""")
_LOOKS_BACK = re.compile(rf"(?:\[|\boffset)\s*({DURATION_IN_TEXT})\b", re.IGNORECASE)


def _is_duration(text: str) -> bool:
    try:
        milliseconds(text)
    except ValueError:
        return False
    return True


def _taken(files: dict[str, Any], directory: Path) -> list[str]:
    return [
        f"{directory.name}/{name}.yaml: the name is taken by the generated rules; choose another"
        for name in (NORMALISATION, ESCALATION)
        if name in files
    ]


def _without_runbook(files: dict[str, list[dict[str, Any]]], directory: Path) -> list[str]:
    missing: dict[str, str] = {}
    for name, rule in _rules(files):
        page = f"{RUNBOOKS}/{rule.get('alert')}.md"
        if "alert" in rule and not (directory / page).is_file():
            missing[rule["alert"]] = f"{place(directory, name, rule)}: no runbook; write {directory.name}/{page}"
    return list(missing.values())


def _without_dashboard(files: dict[str, list[dict[str, Any]]], directory: Path) -> list[str]:
    known, wrong = dashboards.uids(), dict[str, None]()
    for name, rule in _rules(files):
        uid = rule.get("annotations", {}).get("dashboard", known[0]).partition("?")[0]
        if uid not in known:
            where = place(directory, name, rule, ("annotations", "dashboard"))
            wrong[f'{where} dashboard: "{uid}": unknown; expected {one_of(known, uid)}'] = None
    return list(wrong)


def _of_no_label(objects: dict[str, list[Json]], files: dict[str, list[Json]], directory: Path) -> list[str]:
    """Labels in templates that no expression names, where one names nearly that: Prometheus would write nothing."""
    known = {word for _, rule in _rules(objects) for word in _WORD.findall(_NO_CODE.sub("", rule["expr"]))}
    return [
        f'{place(directory, name, rule, (part, key))}: a template reads the label "{label}"; did you mean "{near[0]}"?'
        for name, rule in _rules(files)
        for part in ("labels", "annotations")
        for key, text in rule.get(part, {}).items()
        for label in dict.fromkeys(_LABEL.findall(text))
        if label not in known and (near := difflib.get_close_matches(label, known, n=1, cutoff=0.8))
    ]


_WORD = re.compile(r"[A-Za-z_]\w*")
_LABEL = re.compile(r"(?:\$labels|\.Labels)\.(\w+)")


def _beyond_retention(files: dict[str, list[Json]], settings: Settings, directory: Path) -> list[str]:
    kept = settings.retention.metrics
    beyond = {
        f"retention.metrics: {kept} is less than the {window} that {rule.get('alert') or rule['record']} "
        f"({directory.name}/{name}.yaml) looks back; keep at least {window}": None
        for name, rule in _rules(files)
        for window in windows(rule["expr"])
        if milliseconds(window) > milliseconds(kept)
    }
    return list(beyond)


def _longer_than_business_hours(files: dict[str, Any], settings: Settings, directory: Path) -> list[str]:
    hours = settings.business_hours
    return [
        f"businessHours: {hours.start} to {hours.end} is no longer than the {rule['for']} for which {rule['alert']} "
        f"({directory.name}/{name}.yaml) waits, which would never be told; let them last longer"
        for name, rule in _rules(files)
        if rule.get("labels", {}).get("severity") == "info"
        and seconds(rule.get("for", "0s")) >= business_hours.length_seconds(hours)
    ]


def alerts(groups: list[dict[str, Any]]) -> list[str]:
    """Names of the alerts in rule groups, in order, each once."""
    return list(dict.fromkeys(rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule))


def _with_alerts(group: Json, complete: Callable[[Json], Json]) -> Json:
    return group | {"rules": [complete(rule) if "alert" in rule else rule for rule in group["rules"]]}


def _pages(files: dict[str, list[Json]]) -> list[Json]:
    """The critical alerts of rule groups, in order."""
    return [rule for _, rule in _rules(files) if "alert" in rule and rule["labels"]["severity"] == "critical"]


def _rules(files: dict[str, list[Json]]) -> Iterator[tuple[str, Json]]:
    """Every rule with the name of its file."""
    return ((name, rule) for name, groups in files.items() for group in groups for rule in group["rules"])


def _completed(rule: Json, settings: Settings, runbooks: bool) -> Json:
    """The alert with its owner and its links. One that is about a service belongs to the service's owner.

    `runbooks` says whether any service has one of its own.
    """
    labels, annotations = rule["labels"], dict(rule["annotations"])
    dashboard = annotations.pop("dashboard")
    annotations["runbook_url"] = f"{settings.links.runbooks}/{rule['alert']}.md"
    annotations["dashboard_url"] = f"{settings.links.grafana}/d/{dashboard}"
    if "owner" not in labels:
        service = _service_of(labels)
        labels = labels | {"owner": _of_catalogue(service, "owner", otherwise="platform")}
        if runbooks:
            annotations["service_runbook_url"] = _of_catalogue(service, "runbook")
    told, expression = when_told(rule, settings.escalation), _unless_paged(rule)
    if labels["severity"] == "info":
        expression = business_hours.begins_in_them(rule, expression)
    return told | {"expr": expression, "labels": labels, "annotations": annotations}


def _unless_paged(rule: Json) -> str:
    """The expression of an alert; of one that warns of a symptom, without what a page says already.

    Its service is out, or what it depends on is (`service:outage_paged:info`); its symptom has a page of its own, as
    HighErrorRate is of what ErrorRateElevated says; or its pod is on a node that is not ready. Not by Alertmanager's
    inhibition, which mutes resolves, too, and then forgets them (alertmanager #2754): it would stay told for good, and
    not be told when it comes back. A page decides this by its own expression.
    """
    labels, expression = rule["labels"], rule["expr"].rstrip()
    if labels["severity"] == "critical" or "symptom" not in labels:
        return str(rule["expr"])
    page = ['alertstate="firing"', 'severity="critical"', f'symptom="{labels["symptom"]}"']
    clauses = [_unless(labels, "service:outage_paged:info", []), _unless(labels, "ALERTS", page)]
    if labels.get("scope") == "pod":
        clauses.append('unless on (node)\nALERTS{alertname="NodeNotReady", alertstate="firing"}')
    return "\n".join([f"(\n{textwrap.indent(expression, '  ')}\n)", *clauses, ""])


def _unless(labels: dict[str, str], name: str, matchers: list[str]) -> str:
    """`unless` for series of an alert's service, which is its label, another label of its result, or a fixed name."""
    label = _service_label(labels)
    if not label:
        matchers = [*matchers, f'service="{labels["service"]}"']
    series = f"{name}{{{', '.join(matchers)}}}" if matchers else name
    if label not in ("", "service"):
        series = f'label_replace({series}, "{label}", "$1", "service", "(.+)")'
    return f"unless on ({label})\n{series}"


def _service_of(labels: dict[str, str]) -> str:
    """How a template names the service of an alert: its own label, or what the rule makes one of."""
    label = _service_label(labels)
    return f"$labels.{label}" if label else f'"{labels["service"]}"'


def _service_label(labels: dict[str, str]) -> str:
    """The label of a rule's result that is the alert's service; empty where the rule gives the service by name."""
    found = re.fullmatch(r"{{ \$labels\.(\w+) }}", labels.get("service", "{{ $labels.service }}"))
    return found[1] if found else ""


def _of_catalogue(service: str, label: str, otherwise: str = "") -> str:
    """A template of what the catalogue says of a service; empty labels and annotations vanish."""
    entry = f'with printf "service:expected:info{{service=%q}}" {service} | query'
    return f'{{{{ {entry} }}}}{{{{ . | first | label "{label}" }}}}{{{{ else }}}}{otherwise}{{{{ end }}}}'
