"""Writes what is said elsewhere: JSON Schemas of the inputs, pages of settings, alerts, runbooks, security."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

import catalogue as catalogues
import settings
from catalogue import Catalogue, Events, Service
from components import flows
from components.alerting import rules
from components.alerting.escalation import UNRESOLVED
from facts import ROOT
from local.errors import explained
from settings import Settings

SETTINGS = ROOT / "docs" / "settings.md"
SECURITY = ROOT / "docs" / "security.md"
ALERTS = ROOT / "docs" / "alerts.md"
RUNBOOKS = ROOT / "docs" / "runbooks" / "README.md"
URGENCY = {
    "critical": "Now: these page",
    "warning": "Today: these are a message",
    "info": "This week: in business hours",
    "none": "Always firing: its absence is the fault",
}
"""What the severities of alerts are called in the list of runbooks, the most urgent first."""
TABLES: dict[str, type[BaseModel]] = {"settings": Settings, "services": Service}
"""The model of each table, by the name in the marks of the page of settings."""

Schema = dict[str, Any]


def schemas() -> dict[Path, str]:
    """The JSON Schema of each input, by its file: a whole `Pulumi.<stack>.yaml`, `services.yaml`, `events.yaml`."""
    stack, catalogue, events = (model.model_json_schema(by_alias=True) for model in (Settings, Catalogue, Events))
    definitions = stack.pop("$defs")
    whole = settings.config_schema(stack) | {"$defs": definitions}
    return {
        ROOT / "docs" / "stack.schema.json": _document("Stack file of the order processor's monitoring", whole),
        ROOT / "docs" / "services.schema.json": _document("Service catalogue", catalogue),
        ROOT / "docs" / "events.schema.json": _document("Events of the business", events),
    }


def _document(title: str, schema: Schema) -> str:
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema | {"title": title}
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


def table(model: type[BaseModel]) -> str:
    """Every key of a model as a Markdown table: key, default, what is allowed, and what it is for."""
    schema = model.model_json_schema(by_alias=True)
    lines = ["| key | default | allowed | what it is for |", "|---|---|---|---|"]
    for path, field in _leaves(schema, schema.get("$defs", {})):
        description = " ".join(field.get("description", "").split())
        cells = (f"`{path}`", _default(field), _allowed(field), description)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def _leaves(
    schema: Schema, definitions: dict[str, Schema], prefix: str = "", defaults: Schema | None = None
) -> Iterator[tuple[str, Schema]]:
    """Every key below `schema`; `defaults` are those of the section as a whole, which win over a field's own."""
    given = defaults or {}
    required = set(schema.get("required", ())) - given.keys()
    for name, field in schema["properties"].items():
        path, default = f"{prefix}{name}", given.get(name, field.get("default"))
        section = _section(field, definitions)
        if section is None:
            yield path, field | {"required": name in required, "default": default}
        elif section["properties"]:
            yield from _leaves(section, definitions, f"{path}.", default)
        else:
            yield path, {"allowed": "`{}`", "default": None, "description": section.get("description", "")}


def _section(field: Schema, definitions: dict[str, Schema]) -> Schema | None:
    for option in (field, *field.get("anyOf", ()), *field.get("allOf", ())):
        if "$ref" in option:
            return definitions[option["$ref"].rsplit("/", 1)[1]]
    return None


def _default(field: Schema) -> str:
    if field.get("required"):
        return "required"
    value = field.get("default")
    return "none" if value in (None, {}, []) else f"`{json.dumps(value) if not isinstance(value, str) else value}`"


def _allowed(field: Schema) -> str:
    """What a value may be. Raises LookupError for a field without words, which errors could not explain either."""
    for key in ("allowed", "x-allowed"):
        if key in field:
            return str(field[key])
    options = field.get("enum") or ([field["const"]] if "const" in field else None)
    if options:
        return ", ".join(f"`{option}`" for option in options)
    for inner in field.get("anyOf", ()):
        if inner.get("type") != "null":
            return _allowed(inner)
    if field.get("type") == "array":
        return f"list{' of at least one' * ('minItems' in field)}: {_allowed(field['items'])}"
    if field.get("type") == "object":
        (values,) = field["patternProperties"].values()
        return f"map of names: {_allowed(values)}"
    raise LookupError(f"a field without words: {field}")


def alerts_page() -> str:
    """Every alert as a page: what it says, how bad it is, how long it waits, and its runbook."""
    lines = [
        "# Alerts",
        "",
        "Every alert of `alerts/`, by file; `make schema` writes this page. The tests beside each rule show that its",
        "alert fires, that it does not fire at its threshold, and that it waits. `default-rules.md` says which of the",
        "charts' own alerts stay.",
        "",
        "- A critical alert notifies as soon as its condition has held for the time below.",
        "- A warning notifies `warningAfter` later. Until then it is pending. If its condition stops holding, the wait",
        "  starts again.",
        "- An info alert starts in business hours only, and its wait starts again each day. Its end is sent at any",
        "  hour.",
        "- A page that lasts `emailAfter` without being acknowledged is sent again, by e-mail:",
        f"  [{UNRESOLVED}](../alerts/{rules.RUNBOOKS}/{UNRESOLVED}.md). To acknowledge the page, silence {UNRESOLVED}",
        "  by the link in the page's message. The end of the page itself is still sent.",
        "- These waits are those of Prometheus. Alertmanager waits up to 30 s more to send several alerts as one",
        "  message; a reload, such as by a `pulumi up` that changes a route, starts those 30 s again",
        "  (seen with 0.31.1).",
    ]
    for name, document in rules.read(ROOT / "alerts").items():
        written = [rule for group in document["groups"] for rule in group["rules"] if "alert" in rule]
        lines += ["", f"## {name}", "", "| alert | severity | after | what it says |", "|---|---|---|---|"]
        lines += [
            f"| [{rule['alert']}](../alerts/{rules.RUNBOOKS}/{rule['alert']}.md) | {rule['labels']['severity']} "
            f"| {rule.get('for', 'at once')} | {rule['annotations']['summary']} |"
            for rule in written
        ]
    return "\n".join(lines) + "\n"


def with_runbooks(page: str) -> str:
    """The page on runbooks, with a list of them all by how soon they need somebody."""
    alerts = [
        rule
        for document in rules.read(ROOT / "alerts").values()
        for group in document["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]
    text = ""
    for severity, heading in URGENCY.items():
        of_it = {rule["alert"]: rule["annotations"]["summary"] for rule in alerts if severity == _severity(rule)}
        text += f"### {heading}\n\n" + "".join(_entry(name, of_it[name]) for name in sorted(of_it)) + "\n"
    text += f"### By e-mail, after a page\n\n{_entry(UNRESOLVED, 'A page has not been acknowledged.')}"
    return _between("runbooks", text.strip(), page)


def _severity(rule: dict[str, Any]) -> str:
    return str(rule["labels"]["severity"])


def _entry(alert: str, summary: str) -> str:
    return f"- [{alert}](../../alerts/{rules.RUNBOOKS}/{alert}.md): {summary}\n"


def with_flows(page: str) -> str:
    """The page on security, with the flows of the prod stack, and those that other settings add."""
    known = catalogues.load(ROOT / "services.yaml")

    def of(path: Path) -> list[flows.Flow]:
        stack = settings.read_stack(path)
        return list(flows.flows(stack, known.of_stack(stack)))

    prod = of(settings.stack_file(ROOT, "prod"))
    page = _between("flows", _flow_table(prod), page)
    for name in ("loki-distributed", "closed-network"):
        others = of(ROOT / "examples" / "stacks" / name / f"Pulumi.{name}.yaml")
        page = _between(f"flows of {name}", _flow_table([flow for flow in others if flow not in prod]), page)
    return page


def _flow_table(found: list[flows.Flow]) -> str:
    lines = ["| from | to | port | what for | policies |", "|---|---|---|---|---|"]
    for flow in found:
        policies = dict.fromkeys(peer.name for peer in (flow.source, flow.target) if peer.pods)
        named = ", ".join(f"`{name}`" for name in policies)
        lines.append(f"| {flow.source.name} | {flow.target.name} | {flow.shown} | {flow.why} | {named} |")
    return "\n".join(lines)


def with_tables(page: str) -> str:
    """The page of settings with the present tables between their marks."""
    for name, model in TABLES.items():
        page = _between(name, table(model), page)
    return page


def _between(name: str, text: str, page: str) -> str:
    """The page with a text between the marks of this name."""
    begin, end = f"<!-- {name}: generated by make schema -->", f"<!-- end of {name} -->"
    return re.sub(f"{begin}.*?{end}", lambda _: f"{begin}\n\n{text}\n\n{end}", page, flags=re.DOTALL)


def main() -> None:
    """Write all of it."""
    for path, text in schemas().items():
        path.write_text(text)
    ALERTS.write_text(alerts_page())
    RUNBOOKS.write_text(with_runbooks(RUNBOOKS.read_text()))
    SECURITY.write_text(with_flows(SECURITY.read_text()))
    SETTINGS.write_text(with_tables(SETTINGS.read_text()))


if __name__ == "__main__":
    with explained():
        main()
