"""`make check-lines`: what it says of a service's log, with the real agent."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import catalogue
from facts import ROOT
from rehearsal.check_lines import main
from simulation.application.today.recorded import DIRECTORY as RECORDED

EVENTS = {event.name: event for event in catalogue.load(ROOT / "services.yaml").events}
CREATED, REJECTED = EVENTS["order_created"].examples[0], EVENTS["order_rejected"].examples[0]


def check(file: Path, *options: str) -> Result:
    return CliRunner().invoke(main, [str(file), *options], env={"COLUMNS": "200"})


def found(result: Result) -> dict[str, str]:
    """The table: what was found of each thing."""
    rows = [line.split(None, 1) for line in result.output.splitlines()[1:] if line and not line.startswith(" ")]
    return {row[0]: row[1].strip() for row in rows if len(row) == 2}


def test_events_levels_and_ids_of_a_plain_log(tmp_path: Path) -> None:
    file = tmp_path / "order-service.log"
    file.write_text("".join(f"{line}\n" for line in (CREATED, CREATED, REJECTED)))
    result = check(file)
    assert result.exit_code == 0, result.output
    assert f"{file}: 3 entries of order-service" in result.output
    assert found(result) | {
        "levels": "INFO 2, WARN 1",
        "request_id": "in 3 entries, 2 different",
        "order_created": "2",
        "order_executed": "0",
        "order_rejected": "1",
    } == found(result)
    assert found(result)["order_cancelled"].startswith("reported by no line: ")


def test_a_containers_log_compressed_with_parts_and_a_traceback(tmp_path: Path) -> None:
    file = tmp_path / "pods" / "order-processor_order-service-5d9_0f3c" / "order-service" / "0.log.20261201-090000.gz"
    file.parent.mkdir(parents=True)
    at = "2026-12-01T09:00:00.000000001Z"
    lines = [
        f"{at} stdout P {CREATED[:50]}",
        f"{at} stdout F {CREATED[50:]}",
        f"{at} stderr F Traceback (most recent call last):",
        f'{at} stderr F   File "/app/main.py", line 1, in order',
        f"{at} stderr F KeyError: 'asset'",
    ]
    file.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode()))
    result = check(file)
    assert result.exit_code == 0, result.output
    assert "2 entries of order-service" in result.output
    assert (found(result)["levels"], found(result)["order_created"]) == ("INFO 1, ERROR 1", "1")


def test_what_cannot_be_read_is_shown_once_of_each_kind_and_masked(tmp_path: Path) -> None:
    file = tmp_path / "order-service.log"
    file.write_text(f'{CREATED}\nrow 17 of 20\nrow 18 of 20\n{{"broken":\nfor ada@example.org\n')
    result = check(file)
    assert result.exit_code == 1
    assert "4 entries of 3 kinds were not read" in result.output
    assert "2  no level: row N of N" in result.output
    assert 'JSON without an action, or none: {"broken":' in result.output
    assert "ada@example.org" not in result.output


@pytest.mark.parametrize("outcome", ["started", "started-without-redis", "order"])
def test_what_the_real_gateway_wrote_is_read(outcome: str) -> None:
    assert check(RECORDED / "gateway" / f"{outcome}.log", "--service", "gateway").exit_code == 0


def test_a_file_without_a_line_is_no_success(tmp_path: Path) -> None:
    (file := tmp_path / "order-service.log").touch()
    result = check(file)
    assert (result.exit_code, "there is no line in it" in result.output) == (1, True)


def test_what_a_server_tells_of_its_start_by_way_of_the_package_is_read(tmp_path: Path) -> None:
    file = tmp_path / "order-service.log"
    line = '{{"timestamp":"2026-12-01T09:00:00.000Z","level":"INFO","message":"{}","context":{{}},"logger":"{}"}}\n'
    file.write_text(line.format("Started server process [1]", "uvicorn.error"))
    assert check(file).exit_code == 0
    file.write_text(line.format("order created", "app.orders"))
    assert check(file).exit_code == 1


def test_events_are_the_services_own(tmp_path: Path) -> None:
    file = tmp_path / "some.log"
    file.write_text(json.dumps({"level": "INFO", "action": "x", "message": "x"}) + "\n" + CREATED + "\n")
    assert "order_created" not in found(check(file, "--service", "user-service"))
    assert found(check(file, "--service", "order-service"))["order_created"] == "1"


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("some.log", [], "whose log is it? Add SERVICE= and one of gateway, user-service"),
        ("some.log", ["--service", "oder-service"], "SERVICE=oder-service: not in services.yaml"),
        ("order-service.gz", [], "Not a gzipped file"),
    ],
)
def test_bad_input_is_told_with_its_remedy(tmp_path: Path, name: str, options: list[str], expected: str) -> None:
    file = tmp_path / name
    file.write_text("x\n")
    result = check(file, *options)
    assert result.exit_code == 1
    assert expected in result.output.replace("\n", " ")
