"""The shape of a log line of the application: what is left of it when names, numbers and ids are put out of sight."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

_MASKS = (
    (re.compile(r"user_[0-9a-f]{8}@example\.com"), "EMAIL"),
    (re.compile(r"\b(?:user_[0-9a-f]{8}|nobody_\d+)\b"), "USER"),
    (re.compile(r"\b(?:order|lock)_[0-9a-f]{8}_\w+"), "ID"),
    (re.compile(r"\b(?:BTC|ETH|SOL|ADA|DOGE)\b"), "ASSET"),
    (re.compile(r"\b(?:Bitcoin|Ethereum|Solana|Cardano)\b"), "NAME"),
    (re.compile(r"\b(?:market|limit)_(?:buy|sell)\b"), "TYPE"),
    (re.compile(r'(?:Get|Post|Put) "http[^"]*": .*'), "URL: CAUSE"),
    (re.compile(r"\b(?:auth|insights|inventory|order|user)_service\b"), "SERVICE"),
    (re.compile(r"/[\w./-]+"), "PATH"),
    (re.compile(r"\d+(?:\.\d+)*"), "#"),
)
_EXTRAS = re.compile(r"^(?P<said>.*?) \[(?P<extras>\w+=.*)]$")
_ID = re.compile(r"req-(?:(?P<handed_down>\d{19})|(?P<own>[0-9a-f]{8}))")

Shape = tuple[object, ...]


def shape(line: str) -> Shape:
    """The shape of a line; two lines of the same one differ by names and numbers alone."""
    if not line.startswith("{"):
        return (masked(_plain(line)),)
    entry = json.loads(line)
    told = (*entry, entry["service"], entry["level"], entry["action"], _message(entry["message"]))
    if "request_id" not in entry:
        return told
    found = _ID.fullmatch(entry["request_id"])
    extra = sorted(json.loads(entry["extra"])) if entry["extra"] else entry["extra"]
    own_user = masked("logger" if entry["user"] == entry["service"] else entry["user"])
    return (*told, found and found.lastgroup, own_user, str(extra))


def shapes(lines: Iterable[str]) -> list[Shape]:
    """The shape of each line."""
    return [shape(line) for line in lines]


def masked(text: str) -> str:
    """The text without names and numbers."""
    for pattern, by in _MASKS:
        text = pattern.sub(by, text)
    return text


def _message(text: str) -> object:
    """The message, with the gateway's extras in an order of ours."""
    found = _EXTRAS.match(text)
    if not found:
        return masked(text)
    return masked(found["said"]), *sorted(masked(extra) for extra in re.split(r", (?=\w+=)", found["extras"]))


def _plain(line: str) -> str:
    """An access line without what the client calls itself, and with one unit of time."""
    line = re.sub(r' "[^"]*" "$', ' "AGENT" "', line)
    line = re.sub(r"(?<=\d)(?:µs|ms|s)\b", "UNIT", line)
    return re.sub(r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d+ \w{3} ", "DAY ", re.sub(" +", " ", line))
