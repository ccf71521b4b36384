"""Numbered log lines, and the count of those that Loki has. Every line that is written has a text of its own."""

from __future__ import annotations

import gzip
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from checks.logs.pipeline import Container, Entry, json_line

ACCESS_EVERY, TRACEBACK_EVERY, LONG_EVERY = 10, 50, 500
LONG = 20_000
"""Characters of a long line."""
PART = 16 * 1024
"""Characters after which containerd splits a line."""
LINES_OF_TRACEBACK = 7
LINES_JOINED = LINES_OF_TRACEBACK + 2
"""Lines of a container that wait in the agent at most: a traceback, the line of the next error, part of a long line."""
TICK = 0.05
"""Seconds between two writes."""


def event(source: str, number: int) -> tuple[str, ...]:
    """The lines of one event: mostly a line of JSON, sometimes an access line, a very long one, or a traceback."""
    mark = f"{source}-{number:07d}"
    if number % TRACEBACK_EVERY == 7:
        frames = [f'  File "/app/{mark}.py", line {line}, in step' for line in range(1, 5)]
        first, last = f"ERROR:    Exception in {mark}", f"KeyError: '{mark}'"
        return first, f"Traceback (most recent call last): {mark}", *frames, last
    if number % ACCESS_EVERY == 3:
        return (f'INFO:     10.0.12.7:50412 - "GET /orders/{mark} HTTP/1.1" 200 OK',)
    text = f"Order retrieved: {mark}" + ("." * LONG if number % LONG_EVERY == 11 else "")
    return (json_line(level="INFO", request_id=f"req-{mark}", action="request_end", message=text, user="alice"),)


class Source:
    """A container that writes numbered events, and remembers them."""

    def __init__(self, container: Container) -> None:
        self.container, self.name = container, container.name
        self.events: list[tuple[str, ...]] = []
        self.lines = 0
        """How many lines were written; one that containerd splits counts as one."""
        self._busy = threading.Lock()

    def write(self, lines: int) -> None:
        """Write at least so many lines, in whole events."""
        with self._busy:
            end, whole = self.lines + lines, list[str]()
            while self.lines < end:
                texts = event(self.name, len(self.events))
                self.events.append(texts)
                self.lines += len(texts)
                if len(texts[0]) <= PART:
                    whole += texts
                    continue
                *beginning, end_of_it = parts(texts[0])
                self.container.write(*whole)
                self.container.write(*beginning, tag="P")
                whole = [end_of_it]
            self.container.write(*whole)

    @contextmanager
    def joining(self) -> Iterator[Self]:
        """Write what the agent joins: a traceback, the line of an error, and a long line that ends with the block."""
        traceback, (error, *_), (text,) = (event(f"{self.name}-joined", number) for number in (7, 57, 11))
        *beginning, end_of_it = parts(text)
        with self._busy:
            self.events += [traceback, (error,), (text,)]
            self.lines += LINES_JOINED
            self.container.write(*traceback, error)
            self.container.write(*beginning, tag="P")
            try:
                yield self
            finally:
                self.container.write(end_of_it)

    def rotate(self) -> None:
        """Begin a new file, between two events, and compress the rotated ones but the newest, as the kubelet does."""
        with self._busy:
            self.container.rotate()
            *older, _ = sorted(self.container.path.parent.glob("0.log.*[0-9]"))
        for path in older:
            compressed = path.with_name(f"{path.name}.tmp")
            compressed.write_bytes(gzip.compress(path.read_bytes()))
            compressed.rename(f"{path}.gz")
            path.unlink()

    @contextmanager
    def writing(self, rate: int) -> Iterator[Self]:
        """Write so many lines a second until the block ends."""
        ended = threading.Event()
        writer = threading.Thread(target=self._write_until, args=(ended, rate), name=f"writer of {self.name}")
        writer.start()
        try:
            yield self
        finally:
            ended.set()
            writer.join()

    def _write_until(self, ended: threading.Event, rate: int) -> None:
        began, before = time.monotonic(), self.lines
        while not ended.wait(TICK):
            due = int((time.monotonic() - began) * rate) - (self.lines - before)
            if due > 0:
                self.write(due)


@dataclass(frozen=True)
class Count:
    """What became of the lines of one source."""

    written: int
    lost: int
    incomplete: int
    """Events of which a line is lost."""
    duplicated: int
    """Lines that are there more than once."""
    altered: int
    """Lines that nobody wrote."""
    split: int
    """Events that are not in exactly one entry, though no text of them is lost."""


def parts(text: str) -> list[str]:
    """A line as containerd splits it."""
    return [text[start : start + PART] for start in range(0, len(text), PART)]


def count(events: Iterable[tuple[str, ...]], entries: Iterable[Entry]) -> Count:
    """Compare every line that was written with every entry that Loki has of its source."""
    found = Counter(entry.text for entry in entries)
    seen = Counter[str]()
    for text, times in found.items():
        for line in text.split("\n"):
            seen[line] += times
    written = lost = incomplete = duplicated = split = 0
    for lines in events:
        # The parts of a long line may be entries of their own.
        texts = [[line] if line in seen else parts(line) for line in lines]
        written += len(lines)
        lost += (missing := sum(any(part not in seen for part in each) for each in texts))
        incomplete += missing > 0
        duplicated += sum(max(0, seen.pop(part, 0) - 1) for each in texts for part in each)
        split += not missing and "\n".join(lines) not in found
    return Count(written, lost, incomplete, duplicated, sum(seen.values()), split)
