"""What evaluating the rules costs a running Prometheus, as it says itself.

Durations of whole groups come from its /metrics, which is cheap to read every second; those of single rules from its
API, which is asked once an evaluation. Both are wall time: what else the machine does is in them.
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import httpx
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.errors import BenchmarkError
from benchmarks.progress import Tell
from local import interruption

POLL_SECONDS = 1.0
BUDGET = "budget"
"""The group that is evaluated less often than the others, over the longest windows."""

Samples = Mapping[tuple[str, str], float]
"""Prometheus' own samples by name and rule group, which is empty where there is none."""


@dataclass(frozen=True)
class Evaluation:
    """One evaluation of a rule group."""

    group: str
    at: float
    """Unix time at which it began."""
    seconds: float


@dataclass(frozen=True)
class Measurement:
    """What was seen of one Prometheus."""

    interval: float
    """Seconds between two evaluations of all groups but the budget's."""
    evaluations: tuple[Evaluation, ...]
    series: int
    missed: int
    failures: int
    cores: float
    """Mean CPU of the whole process, scraping included."""
    resident_bytes: float
    rules: dict[str, float]
    """Median seconds of each recorded series or alert, summed up over the rules of its name."""

    @property
    def rounds(self) -> list[float]:
        """Seconds that all groups took together, for each interval in which all were evaluated; without the budget."""
        slots: dict[int, dict[str, float]] = defaultdict(dict)
        for each in self._regular:
            slots[int(each.at // self.interval)][each.group] = each.seconds
        groups = {each.group for each in self._regular}
        return [sum(slot.values()) for slot in slots.values() if slot.keys() == groups]

    @property
    def budget(self) -> list[float]:
        """Seconds of each evaluation of the budget."""
        return [each.seconds for each in self.evaluations if each.group == BUDGET]

    @property
    def slowest(self) -> tuple[str, float]:
        """The group, other than the budget, with the highest mean, and its mean in seconds."""
        means = {
            group: statistics.fmean(each.seconds for each in self._regular if each.group == group)
            for group in {each.group for each in self._regular}
        }
        return max(means.items(), key=lambda item: item[1])

    @property
    def _regular(self) -> list[Evaluation]:
        return [each for each in self.evaluations if each.group != BUDGET]


@dataclass
class _Seen:
    evaluations: dict[tuple[str, float], Evaluation] = field(default_factory=dict)
    rules: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def note(self, samples: Samples, since: float) -> None:
        """Remember evaluations that began after `since` and were not seen yet."""
        for (name, group), at in samples.items():
            if name == "prometheus_rule_group_last_evaluation_timestamp_seconds" and at > since:
                seconds = samples["prometheus_rule_group_last_duration_seconds", group]
                self.evaluations.setdefault((group, at), Evaluation(group, at, seconds))

    def note_rules(self, durations: Mapping[str, float]) -> None:
        """Remember what each rule took."""
        for name, seconds in durations.items():
            self.rules[name].append(seconds)


def measure(client: httpx.Client, interval: float, warm_up: float, seconds: float, tell: Tell) -> Measurement:
    """Watch a Prometheus for `seconds`, after `warm_up` seconds of which nothing counts.

    Raises BenchmarkError if the budget was not evaluated, which happens once in 3 min.
    """
    _wait(warm_up, lambda left: tell("warm-up", left))
    began, seen, first = time.time(), _Seen(), _own(client)
    next_rules = 0.0

    def poll(left: float) -> None:
        nonlocal next_rules
        seen.note(_own(client), began)
        if time.monotonic() >= next_rules:
            seen.note_rules(_rule_seconds(client))
            next_rules = time.monotonic() + interval
        tell("measuring", left)

    _wait(seconds, poll)
    last = _own(client)
    seen.note(last, began)
    if not any(each.group == BUDGET for each in seen.evaluations.values()):
        raise BenchmarkError(f"no evaluation of the group {BUDGET} was seen in {seconds:.0f} s; measure for longer")
    return _measurement(interval, seen, first, last)


def _measurement(interval: float, seen: _Seen, first: Samples, last: Samples) -> Measurement:
    def grown(name: str) -> float:
        return sum(value - first.get(key, 0.0) for key, value in last.items() if key[0] == name)

    elapsed = last["time", ""] - first["time", ""]
    return Measurement(
        interval=interval,
        evaluations=tuple(sorted(seen.evaluations.values(), key=lambda each: each.at)),
        series=int(last["prometheus_tsdb_head_series", ""]),
        missed=round(_total(last, "prometheus_rule_group_iterations_missed_total")),
        failures=round(_total(last, "prometheus_rule_evaluation_failures_total")),
        cores=grown("process_cpu_seconds_total") / elapsed,
        resident_bytes=last["process_resident_memory_bytes", ""],
        rules={name: statistics.median(durations) for name, durations in seen.rules.items()},
    )


def _total(samples: Samples, name: str) -> float:
    return sum(value for key, value in samples.items() if key[0] == name)


def _wait(seconds: float, each_time: Callable[[float], None]) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        interruption.check()
        each_time(left)
        time.sleep(min(POLL_SECONDS, left))


def _own(client: httpx.Client) -> Samples:
    """Prometheus' samples about itself, and the Unix `time` at which they were asked for."""
    text = client.get("/metrics").raise_for_status().text
    wanted = "\n".join(line for line in text.splitlines() if line.startswith(_WANTED))
    samples = {
        # A group's name here is `<path of the file>;<name>`.
        (sample.name, sample.labels.get("rule_group", "").rpartition(";")[2]): sample.value
        for family in text_string_to_metric_families(wanted + "\n")
        for sample in family.samples
    }
    return samples | {("time", ""): time.time()}


_WANTED = (
    "prometheus_rule_group_last_",
    "prometheus_rule_group_iterations_missed_total",
    "prometheus_rule_evaluation_failures_total",
    "prometheus_tsdb_head_series ",
    "process_cpu_seconds_total ",
    "process_resident_memory_bytes ",
)


def _rule_seconds(client: httpx.Client) -> dict[str, float]:
    """Seconds of the last evaluation of each recorded series or alert, summed up over the rules of its name."""
    answer = client.get("/api/v1/rules", params={"exclude_alerts": "true"}).raise_for_status().json()
    totals: dict[str, float] = defaultdict(float)
    for group in answer["data"]["groups"]:
        for rule in group["rules"]:
            totals[rule["name"]] += rule["evaluationTime"]
    return totals
