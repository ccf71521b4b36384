"""`make mirror-list`: every chart and every container image that a stack takes from a registry.

An image is a line `image<TAB>SOURCE`, with a third column where the stack pulls it from a registry of its own; a
chart is a line `chart<TAB>NAME<TAB>VERSION<TAB>REPOSITORY`. `components/versions.yaml` has the images of charts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import pulumi

from checks.chart_keys import parse
from checks.program import SECRETS
from components.charts import CHARTS, Chart
from components.images import place
from components.versions import deployed
from engine.provider.kubernetes import RELEASE
from facts import ROOT
from local.errors import explained
from settings import KEY, Settings, read_config, secret_keys, stack_file
from settings import parse as parsed
from targets import Target
from verify import program


def charts(found: program.Program) -> list[Chart]:
    """The charts that a program's releases install, sorted."""
    pins = {chart.name: chart for chart in CHARTS}
    names = {release.inputs["chart"] for release in found.of(RELEASE)}
    return [pins[name] for name in sorted(names)]


def images(found: program.Program) -> set[str]:
    """The images that a program's objects and releases name, and those of the charts behind them."""
    named = {name for item in found for name in containers(item.inputs)}
    return named | {name for release in found.of(RELEASE) for name in _of_chart(release.inputs)}


def containers(value: Any) -> Iterator[str]:
    """Each image that containers in a value name themselves."""
    if isinstance(value, Mapping):
        if isinstance(value.get("image"), str):
            yield value["image"]
        value = list(value.values())
    for item in value if isinstance(value, list) else ():
        yield from containers(item)


def _of_chart(release: Mapping[str, Any]) -> Iterator[str]:
    values = release.get("values", {})
    (chart,) = [chart for chart in CHARTS if chart.name == release["chart"]]
    for item in deployed():
        if item.chart == f"{chart.name}-{chart.version}" and (not item.when or _value(values, item.when)):
            yield from (found.name for found in item.images)


def _value(values: Any, path: str) -> Any:
    for key in parse(path):
        values = values.get(key) if isinstance(values, Mapping) else None
    return values


def listing(stack: str, config: Mapping[str, Any], file: Path | None = None) -> list[str]:
    """The lines, sorted, given a stack's configuration and where it is. Raises InvalidInputError."""
    settings = parsed(config.get(KEY), file=file)
    without = {**config, KEY: {key: value for key, value in config[KEY].items() if key not in ("charts", "images")}}
    found = program.evaluate(stack, without, {key: SECRETS[key] for key in secret_keys(settings)})
    pulled = ["\t".join(("chart", chart.name, chart.version, chart.repository)) for chart in charts(found)]
    return pulled + [_line(name, settings) for name in sorted(images(found))]


def _line(name: str, settings: Settings) -> str:
    there = place(name, settings)
    return "\t".join(("image", name, *([there] if there != name else [])))


@click.command(cls=Target, example="make mirror-list STACK=dev")
@click.option("--stack", required=True, help="Stack, such as dev.")
def main(stack: str) -> None:
    """Print every chart and image that a stack takes from a registry."""
    with explained():
        try:
            file = stack_file(ROOT, stack)
            lines = listing(stack, read_config(file), file)
        except pulumi.RunError as error:
            raise click.ClickException(str(error)) from None
    click.echo("\n".join(lines))


if __name__ == "__main__":
    main(prog_name="checks.mirror")
