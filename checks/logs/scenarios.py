"""How things break, one function each. The tests run them in short, the benchmark in full."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from signal import SIGKILL, SIGTERM, Signals

from checks.logs.lines import LINES_JOINED, Count, Source, count
from checks.logs.node import Node, Variant
from checks.logs.pipeline import Container
from checks.logs.small_disk import small_disk
from checks.waiting import eventually

SLOW, FAST = 500, 2000
"""Lines a second."""
KILLS = ROTATIONS = 4
UNAVAILABLE = 503
RETRIED, FINAL = (429, 502, UNAVAILABLE, 504), (400, 500)
"""By OTLP a 500 is final. Loki itself answers 503 where it means 500; only what stands between could answer so."""
READ_AT_ONCE = 100
"""Lines that the agent hands on together: the collector's own constant."""
READER_PAUSE = 16
"""Seconds after which a reader that found no room tries again, at most."""
SMALL_QUEUE = 3000
BACKLOG, READ_OF_IT = 30_000, 5_000
"""Lines that wait for the agent, and how many of them it has read when it ends."""
SMALL_DISK = "4m"
SECOND_OF_NAMES = 1.1
"""The name of a rotated file has whole seconds."""


@dataclass(frozen=True)
class Broken:
    """What was written while something was broken."""

    source: Source
    told: float = 0
    """Events that the agent's own counter says it gave up; LogAgentDroppingLogs reads it."""
    may_count_twice: int = 0
    """Entries that metric queries may count twice, where it hangs on how long something took."""


@dataclass(frozen=True)
class Scenario:
    """Something that breaks."""

    name: str
    title: str
    run: Callable[[Node, str, float], Broken]
    """Breaks it for so many seconds, while a source of this name writes."""
    short: float | None
    """Seconds; None leaves it to the full form."""
    full: float
    most_lost: int | None = 0
    """Lines that may be lost; None: what the agent tells, and nothing else."""
    most_split: int = 0
    """Events that may become two entries: one for each time that the agent is stopped while it reads."""
    most_counted_twice: int = 0
    """Entries that metric queries may count twice: those that a killed agent sends again."""
    note: str = ""


@dataclass(frozen=True)
class Outcome:
    """What a scenario left."""

    scenario: Scenario
    count: Count
    counted_twice: int
    """Entries that a metric query counts beyond those that Loki gives out."""
    told: float
    may_count_twice: int

    @property
    def problems(self) -> list[str]:
        """What must not be."""
        found = {name: getattr(self.count, name) for name in ("duplicated", "altered")}
        told = [f"{number} {name}" for name, number in found.items() if number]
        if self.count.split > self.scenario.most_split:
            told.append(f"{self.count.split} events split, {self.scenario.most_split} may be")
        most = self.scenario.most_lost
        if most is not None and self.count.lost > most:
            told.append(f"{self.count.lost} lines lost, {most} may be")
        if most is None and (self.count.incomplete == 0 or self.count.incomplete != self.told):
            told.append(f"{self.count.incomplete} events lost, the agent tells of {self.told:.0f}")
        most_twice = max(self.scenario.most_counted_twice, self.may_count_twice)
        if self.counted_twice > most_twice:
            told.append(f"{self.counted_twice} entries counted twice, {most_twice} may be")
        return [f"{self.scenario.title}: {each}" for each in told]


def loki_stopped(node: Node, name: str, seconds: float) -> Broken:
    """Loki is stopped as its pod is, and started again."""
    with node.source(name).writing(SLOW) as source:
        time.sleep(1)
        with node.without_loki():
            time.sleep(seconds)
    return Broken(source)


def agent_killed(node: Node, name: str, seconds: float) -> Broken:
    """The agent is killed every so many seconds, or twice as many as its start takes, and started again."""
    starts = [0.0]
    with node.source(name).writing(FAST) as source:
        for _ in range(KILLS):
            time.sleep(max(seconds, 2 * starts[-1]))  # or it is killed in the poll that reads what has waited
            node.stop_agent(SIGKILL)
            began = time.monotonic()
            node.start_agent()
            starts.append(time.monotonic() - began)
    # A poll takes a second, or on a slow machine as long as a start.
    return Broken(source, may_count_twice=int(FAST * sum(max(1, took) for took in starts[:KILLS])))


def killed_joining(node: Node, name: str, seconds: float) -> Broken:
    """The agent is killed while it joins all that it can join at a time."""
    with node.source(name).joining() as source:
        time.sleep(seconds)  # it has read the lines, and waits a second for what may follow
        node.stop_agent(SIGKILL)
        node.start_agent()
    return Broken(source)


def killed_catching_up(node: Node, name: str, seconds: float) -> Broken:
    """The agent is killed while it reads what has waited for it."""
    source = node.source(name)
    node.stop_agent()
    source.write(BACKLOG)
    return _ended_catching_up(node, source, SIGKILL, seconds)


def stopped_catching_up(node: Node, name: str, seconds: float) -> Broken:
    """The agent is stopped, as by an update, while it reads a compressed file."""
    source = node.source(name)
    node.stop_agent()
    source.write(BACKLOG)
    for _ in range(2):
        time.sleep(SECOND_OF_NAMES)
        source.rotate()
        source.write(READ_AT_ONCE)
    return _ended_catching_up(node, source, SIGTERM, seconds)


def _ended_catching_up(node: Node, source: Source, number: Signals, seconds: float) -> Broken:
    node.start_agent()
    eventually(lambda: node.read > READ_OF_IT, what="the agent reads what has waited")
    node.stop_agent(number)
    node.start_agent()
    with source.writing(SLOW):
        time.sleep(seconds)
    node.settle(source)  # a traceback is torn if the agent is stopped within it, as the next scenario may do
    return Broken(source)


def rotated_while_stopped(node: Node, name: str, seconds: float) -> Broken:
    """Files are renamed and compressed, one of which the agent has read half."""
    with node.source(name).writing(FAST) as source:
        time.sleep(seconds)
        node.stop_agent()
        for _ in range(3):
            time.sleep(SECOND_OF_NAMES)
            source.rotate()
        node.start_agent()
    return Broken(source)


def rotated_while_running(node: Node, name: str, seconds: float) -> Broken:
    """Files are renamed and compressed under the agent's eyes."""
    with node.source(name).writing(FAST) as source:
        for _ in range(ROTATIONS):
            time.sleep(max(seconds, SECOND_OF_NAMES))
            source.rotate()
    return Broken(source)


def loki_failing(node: Node, name: str, seconds: float) -> Broken:
    """Loki answers with errors after which the agent tries again."""
    with node.faulty_loki() as faults:
        with node.source(name).writing(SLOW) as source:
            with faults.answering(*RETRIED):
                time.sleep(seconds)
            assert faults.refused >= len(RETRIED), f"{faults.refused} requests in {seconds} s"
        node.settle(source)
    return Broken(source)


def loki_refusing(node: Node, name: str, seconds: float) -> Broken:
    """Loki answers with an error that is final."""
    with node.faulty_loki() as faults:
        _until_empty(node)
        before = _given_up(node)
        with node.source(name).writing(SLOW) as source:
            time.sleep(seconds)
            with faults.answering(*FINAL):
                time.sleep(max(seconds, 3))
            time.sleep(seconds)
        _until_empty(node)
        told = _given_up(node) - before
        node.settle(source, given_up=told)  # or the restart splits what is just read
    return Broken(source, told)


def queue_full(node: Node, name: str, seconds: float) -> Broken:
    """Loki takes nothing until the queue is full, and for so many seconds more."""
    with node.faulty_loki(Variant(queue_size=SMALL_QUEUE)) as faults:
        with node.source(name).writing(SLOW) as source, faults.answering(UNAVAILABLE):
            source.write(2 * SMALL_QUEUE)
            _until_it_reads_no_more(node)
            time.sleep(seconds)
        node.settle(source)
    return Broken(source)


def stopped_with_full_queue(node: Node, name: str, seconds: float) -> Broken:
    """The agent is stopped, as by an update, while its queue is full."""
    source = node.source(name)
    with node.faulty_loki(Variant(queue_size=SMALL_QUEUE)) as faults:
        with faults.answering(UNAVAILABLE):
            source.write(2 * SMALL_QUEUE)
            _until_it_reads_no_more(node)
            time.sleep(seconds)
            node.stop_agent()
            node.start_agent()
        node.settle(source)
    return Broken(source)


def disk_full(node: Node, name: str, seconds: float) -> Broken:
    """The disk of the agent's queue and offsets is full, and Loki takes nothing."""
    directory, pods = node.state.root / "small-disk", node.state.root / "pods-beside-small-disk"
    # It knows no offsets of the other files: it would read them all once more.
    environment = {"AGENT_STATE_DIR": str(directory), "POD_LOG_ROOT": str(pods)}
    with small_disk(directory, SMALL_DISK) as disk:
        source = Source(Container(pods, name))
        with node.faulty_loki(Variant(prefix=disk.inside, environment=environment)) as faults:
            with source.writing(SLOW), faults.answering(UNAVAILABLE):
                disk.fill()
                source.write(SMALL_QUEUE)  # as much as the queue may hold: nothing more is proven of what may be lost
                eventually(lambda: _refused_by_disk(node) > 0, what="the queue finds no room")
                time.sleep(seconds)
                disk.make_room()
            node.settle(source, quiet=READER_PAUSE)
    return Broken(source)


def _given_up(node: Node) -> float:
    return node.agent_metric("otelcol_exporter_send_failed_log_records")


def _refused_by_disk(node: Node) -> float:
    return node.agent_metric("otelcol_exporter_enqueue_failed_log_records")


def _until_empty(node: Node) -> None:
    eventually(lambda: node.waiting == 0, what="the agent's queue is empty")


def _until_it_reads_no_more(node: Node) -> None:
    eventually(lambda: node.waiting > SMALL_QUEUE - 2 * READ_AT_ONCE, what="the agent's queue is full")


SCENARIOS: Sequence[Scenario] = (
    Scenario("refusing", "Loki answers 400 and 500, which are final", loki_refusing, 1, 5, most_lost=None),
    Scenario("failing", "Loki answers 429, 502, 503 and 504", loki_failing, 5, 60),
    Scenario("rotated-running", f"files rotated {ROTATIONS} times, agent running", rotated_while_running, 1.1, 5),
    Scenario(
        "rotated-stopped",
        "files rotated 3 times and compressed, agent stopped",
        rotated_while_stopped,
        1,
        5,
        most_split=1,
    ),
    Scenario("loki-stopped", "Loki stopped", loki_stopped, 15, 120),
    Scenario(
        "agent-killed",
        f"agent killed {KILLS} times",
        agent_killed,
        1.5,
        6,
        most_lost=KILLS * LINES_JOINED,
        # What is sent again Loki gives out once, but counts twice what has come into another block meanwhile. Here it
        # is a second of lines: a poll that finds little to read ends soon, and its end saves how far it came.
        most_counted_twice=KILLS * FAST,
        note=f"{LINES_JOINED} for each kill and container: what is being joined",
    ),
    Scenario(
        "killed-joining",
        "agent killed while it joins a traceback, a second error and a long line",
        killed_joining,
        0.5,
        0.5,
        most_lost=LINES_JOINED,
        note="what is being joined",
    ),
    Scenario(
        "killed-catching-up",
        f"agent killed while it reads {BACKLOG:,} lines that have waited",
        killed_catching_up,
        1,
        5,
        most_counted_twice=BACKLOG,  # all of the poll that had not ended
    ),
    Scenario(
        "stopped-catching-up",
        f"agent stopped while it reads a compressed file of {BACKLOG:,} lines",
        stopped_catching_up,
        1,
        5,
        most_lost=BACKLOG - READ_OF_IT,
        most_split=1,
        note="the rest of each compressed file that is being read",
    ),
    Scenario("queue-full", f"queue full (of {SMALL_QUEUE:,} instead of 500,000)", queue_full, 1, 20),
    Scenario(
        "stopped-full",
        "agent stopped while its queue is full",
        stopped_with_full_queue,
        None,
        5,
        most_lost=READ_AT_ONCE + LINES_JOINED,
        most_split=1,
        note="the lines of one read, 100 for each file, and what is being joined",
    ),
    Scenario(
        "disk-full",
        f"disk of the queue full ({SMALL_DISK[:-1]} MiB), Loki takes nothing",
        disk_full,
        2,
        20,
        most_lost=SMALL_QUEUE,
        note="what is in the queue, as the agent cannot mark what it takes out",
    ),
)


def outcome(node: Node, scenario: Scenario, broken: Broken) -> Outcome:
    """Count every line, after it has settled."""
    entries = list(node.everything(broken.source))
    twice = node.counted(broken.source.name) - len(entries)
    return Outcome(scenario, count(broken.source.events, entries), twice, broken.told, broken.may_count_twice)


def settle(node: Node, done: Sequence[Broken]) -> None:
    """Wait until whatever can arrive has arrived."""
    node.settle(*(broken.source for broken in done), given_up=sum(broken.told for broken in done))
