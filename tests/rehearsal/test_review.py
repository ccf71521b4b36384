"""`make review`, of fourteen days that were played into a real Prometheus, with a real Alertmanager beside it.

The days end tomorrow, as Alertmanager takes no silence of the past.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

import review.__main__
from tests.rehearsal.played import forward_to, named, prometheus, routed, samples

MINUTE, HOUR, DAY = 60, 3600, 86_400
NOW = int(time.time()) // HOUR * HOUR + DAY
START = NOW - 14 * DAY

Played = tuple[dict[str, str], list[tuple[float, int]]]
"""Labels of an alert, and when it fired: hours before now, and minutes for how long."""


def of(name: str, severity: str, **labels: str) -> dict[str, str]:
    return {"alertname": name, "severity": severity} | labels


ORDERS, USERS = {"service": "order-service"}, {"service": "user-service"}
ALERTS: list[Played] = [
    # One page twice, as the second begins before the end of the first could be told; the last one is another.
    (of("ServiceDown", "critical", **ORDERS), [(200, 10), (200 - 1 / 6, 20), (100, 30)]),
    (of("ServiceDown", "critical", **USERS), [(200, 10)]),
    # Two pods of a namespace are one incident.
    (of("ContainerOomKilled", "critical", namespace="a", container="x"), [(90, 60)]),
    (of("ContainerOomKilled", "critical", namespace="a", container="y"), [(89.5, 60)]),
    # A warning of the same is muted while the page fires.
    (of("VolumeFilling", "critical", persistentvolumeclaim="v"), [(50, 60)]),
    (of("VolumeFilling", "warning", persistentvolumeclaim="v"), [(50, 120)]),
    # Silenced for its last quarter of an hour, and still firing; the other all the time, so that it pages no one.
    (of("HighErrorRate", "critical", **ORDERS), [(1, 60)]),
    (of("HighErrorRate", "critical", **USERS), [(0.2, 6)]),
    (of("PathsScanned", "warning", **USERS), [(2, 120)]),
    (of("OrderFailures", "warning", **ORDERS), [(20, 30), (40, 10)]),
    (of("LoginFailures", "warning", **USERS), [(20, 29), (40, 10)]),
]


def history() -> Iterator[str]:
    """All of it in the OpenMetrics format, a series at a time, every minute."""
    yield from series("up", {"job": "a"}, lambda _: 1.0)
    for labels, times in ALERTS:
        spans = [(NOW - round(hours * HOUR), minutes * MINUTE) for hours, minutes in times]
        begins = {at: start for start, length in spans for at in range(start, min(start + length, NOW), MINUTE)}
        for name, more in (("ALERTS", {"alertstate": "firing"}), ("ALERTS_FOR_STATE", {})):
            start = named(name, labels | more)
            yield "".join(
                f"{start} {1 if more else begun - MINUTE} {moment}\n" for moment, begun in sorted(begins.items())
            )
    yield from series("ALERTS_FOR_STATE", of("VolumeFull", "critical"), lambda _: START)  # it is only pending
    noise = random.Random(7)  # noqa: S311
    ratio = "service:http_errors:ratio_rate5m"
    yield from series(ratio, ORDERS, lambda at: max(0.0, at - START - 7 * DAY) / DAY / 112 + noise.random() / 500)
    yield from series(ratio, USERS, lambda _: noise.lognormvariate(-6, 1))
    claim = {"namespace": "a", "persistentvolumeclaim": "v"}
    used = "persistentvolumeclaim:kubelet_volume_used:ratio"
    yield from series(used, claim, lambda at: 0.9 if (at - START) % DAY < DAY / 4 else 0.5)
    yield from series("loki:requests_failed:ratio_rate5m", {"namespace": "a"}, lambda _: 0.05)
    yield from series("alertmanager_notifications_total", {"integration": "slack"}, lambda at: (at - START) // DAY)
    yield "# EOF\n"


def series(name: str, labels: dict[str, str], value: Callable[[int], float]) -> Iterator[str]:
    yield samples(name, labels, value, range(START, NOW + 1, MINUTE))


@contextmanager
def reviewed(
    directory: Path, written: Iterable[str], *arguments: str, silence: dict[str, str] | None = None
) -> Iterator[tuple[int, str, Path]]:
    """Exit code and output of the command, and the page that it wrote."""
    with (
        pytest.MonkeyPatch.context() as patch,
        prometheus(directory, written, START, NOW) as port,
        routed(directory) as alerts,
    ):
        if silence:
            matchers = [{"name": name, "value": value, "isRegex": False} for name, value in silence.items()]
            start, end = (datetime.fromtimestamp(at, UTC).isoformat() for at in (NOW - 15 * MINUTE, NOW + HOUR))
            body = {"matchers": matchers, "startsAt": start, "endsAt": end, "createdBy": "a", "comment": "a"}
            assert alerts.client.post("/api/v2/silences", json=body).is_success
        forward_to(patch, directory, {"alertmanager": alerts.client.base_url.port, "prometheus": port})
        patch.setattr(time, "time", lambda: float(NOW))
        page = directory / "out" / "review.html"
        given = ["--context", "played", "--out", str(page), *arguments]
        done = CliRunner().invoke(review.__main__.main, given, catch_exceptions=False)
        yield done.exit_code, done.output, page


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, str, Path]]:
    silence = {"alertname": "HighErrorRate"}
    with reviewed(tmp_path_factory.mktemp("review"), history(), silence=silence) as done:
        yield done


@pytest.fixture(scope="module")
def sections(found: tuple[int, str, Path]) -> dict[str, list[list[str]]]:
    """The rows of the table for a pull request, by the heading above them."""
    code, output, page = found
    assert code == 0, output
    text = page.with_suffix(".md").read_text()
    parts = re.split(r"^#### (.+)$", text, flags=re.MULTILINE)
    return {
        heading: [row.strip("| ").split(" | ") for row in re.findall(r"^\|.+\|$", body, re.MULTILINE)[2:]]
        for heading, body in zip(parts[1::2], parts[2::2], strict=True)
    }


def test_each_alert_that_fired_has_its_numbers(sections: dict[str, list[list[str]]]) -> None:
    """Alert, severity, fired, minutes, pages, muted, silenced, resolved after."""
    assert sections["What fired"] == [
        ["ServiceDown", "critical", "4", "70", "3", "0%", "0%", "15 min"],
        ["ContainerOomKilled", "critical", "2", "120", "1", "0%", "0%", "1 h"],
        ["HighErrorRate", "critical", "2", "66", "1", "0%", "32%", "6 min"],
        ["VolumeFilling", "critical", "1", "60", "1", "0%", "0%", "1 h"],
        ["PathsScanned", "warning", "1", "120", "-", "0%", "0%", "still firing"],
        ["VolumeFilling", "warning", "1", "120", "-", "50%", "0%", "2 h"],
        ["OrderFailures", "warning", "2", "40", "-", "0%", "0%", "20 min"],
        ["LoginFailures", "warning", "2", "39", "-", "0%", "0%", "19 min 30 s"],
    ]


def test_alerts_that_always_fire_together_are_twins(sections: dict[str, list[list[str]]]) -> None:
    assert sections["Twins"] == [["LoginFailures", "OrderFailures", "2"]]


def test_what_never_fired_is_shown_with_the_test_that_it_can(sections: dict[str, list[list[str]]]) -> None:
    never = {alert: test for alert, _, test in sections["Never fired"]}
    assert not {"ServiceDown", "HighErrorRate", "OrderFailures"} & never.keys()
    assert never["VolumeFull"].startswith("resources.test.yaml: ")
    assert len(never) > 40


def test_values_just_under_a_threshold_are_found(sections: dict[str, list[list[str]]]) -> None:
    near = {(row[0], row[1], row[3]) for row in sections["Just under a threshold"]}
    assert near == {("VolumeFilling", "> 0.95", "25%"), ("VolumeFull", "> 0.98", "25%")}


def test_a_creep_shows_within_days_and_noise_does_not(sections: dict[str, list[list[str]]]) -> None:
    """A quarter in four weeks, of which one has passed."""
    ((what, service, start, end, days),) = sections["Slow creeps"]
    assert (what, service) == ("share of failed requests", "service=order-service")
    assert float(end.split()[0]) - float(start.split()[0]) > 3
    assert int(days) in (5, 7, 14)


def test_the_page_says_the_same_and_what_was_looked_at(found: tuple[int, str, Path]) -> None:
    text = found[2].read_text()
    assert "8 alerts fired 15 times, 6 pages" in text
    assert "in steps of 60 s" in text
    assert "Alertmanager sent 14 by slack" in text
    assert "Of " not in re.sub(r"<[^>]+>", "", text.split("</header>")[1].split("<section>")[0])
    assert "<script" not in text


def test_the_bar_ends_at_the_number_of_questions_that_is_said(found: tuple[int, str, Path]) -> None:
    (asked,) = re.findall(r"(\d+) questions asked", found[1])
    assert re.search(rf"questions .* {asked}/{asked}\b", found[1])


def test_a_period_without_data_is_said_in_words(tmp_path: Path) -> None:
    with reviewed(tmp_path, ["# EOF\n"]) as (code, output, page):
        assert code == 0, output
        for text in (output, page.read_text(), page.with_suffix(".md").read_text()):
            assert "Prometheus has no data of the last 14 d: nothing can be said of any alert." in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--since", "5"], "SINCE=5: expected a duration"),
        (["--since", "30m"], "SINCE=30m: expected from 1h to 52w"),
        (["--out", "review.md"], "OUT=review.md: expected a file that ends in .html"),
        (["--stack", "nope"], "nope"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_is_asked(arguments: list[str], said: str) -> None:
    done = CliRunner().invoke(review.__main__.main, arguments)
    assert done.exit_code == (1 if "--stack" in arguments else 2)
    assert said in done.output
