"""What the values of this project's inputs may be. Each kind of value carries the words that say so to people.

The words are in every message about a value and in the table of settings, so that no other text has to repeat them. A
test refuses a field without words. `problems.py` turns what is found wrong into messages.
"""

from __future__ import annotations

import datetime
import functools
import importlib.resources
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, core_schema

from invalid import InvalidInputError as InvalidInputError
from quantities import mebibytes, seconds

A = TypeVar("A")
B = TypeVar("B")
K = TypeVar("K")
T = TypeVar("T")
Json = dict[str, Any]


class Section(BaseModel):
    """A frozen group of settings: camelCase in YAML, snake_case in Python, unknown keys refused."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        validate_by_name=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=False,
    )


def collect(first: Callable[[], A], second: Callable[[], B]) -> tuple[A, B]:
    """Both results, or one InvalidInputError with the problems of both."""
    found: list[str] = []
    results: list[Any] = []
    for read in (first, second):
        try:
            results.append(read())
        except InvalidInputError as error:
            found += error.problems
    if found:
        raise InvalidInputError(found)
    return results[0], results[1]


@dataclass(frozen=True)
class Form:
    """What a value may be: a check, the words for people, and as much of both as a JSON Schema can say."""

    expected: str
    """Completes the sentence "expected …"."""
    check: Callable[[Any], str | None]
    """None if a value is right; else what to say behind `expected`, or in its place if it begins with "expected"."""
    schema: Json = field(hash=False)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check before pydantic does, which converts what it can."""
        return core_schema.no_info_before_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(self, _: CoreSchema, __: GetJsonSchemaHandler) -> Json:
        """The schema, with the words."""
        return self.schema | {"x-allowed": self.expected}

    def _checked(self, value: object) -> object:
        wrong = self.check(value)
        if wrong is not None:
            whole = wrong.startswith("expected")
            raise ValueError(wrong if whole else f"expected {self.expected}{wrong and '; '}{wrong}")
        return value


def text(pattern: str, expected: str, also: Callable[[str], str | None] = lambda _: None, **schema: Any) -> Form:
    """A text that matches `pattern`. `also` says what is wrong with one that does, if anything."""

    def check(value: object) -> str | None:
        if not isinstance(value, str):
            return _unquoted(value, lambda text: re.fullmatch(pattern, text) is not None and also(text) is None)
        return also(value) if re.fullmatch(pattern, value) else ""

    return Form(expected, check, {"type": "string", "pattern": f"^(?:{pattern})$"} | schema)


def _unquoted(value: object, is_right: Callable[[str], bool]) -> str:
    """What to do about a value that YAML reads as something other than text, without quotes around it."""
    if value is None:
        return "it is empty: give it a value, or remove the key"
    if isinstance(value, dict | list | tuple):
        return "this is a map" if isinstance(value, dict) else "this is a list"
    remedy = next((f'write it in quotes: "{text}"' for text in _may_be_written(value) if is_right(text)), None)
    return remedy or f'"{shown(value)}" is not one'


def _may_be_written(value: object) -> list[str]:
    """The texts that YAML 1.1, or 1.2, reads as this value."""
    if isinstance(value, bool):
        return ["yes", "on", "true"] if value else ["no", "off", "false"]
    return [str(value), *([f"{value // 60:02}:{value % 60:02}"] if isinstance(value, int) else [])]


def shown(value: object) -> str:
    """A value as YAML has it, shortened."""
    written = {None: "null", True: "true", False: "false"}
    text = written[value] if value is None or isinstance(value, bool) else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


_LONGEST = 100


def _is_number(value: object, kinds: tuple[type, ...]) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)


def whole(lowest: int, highest: int) -> Form:
    """A whole number within bounds."""

    def check(value: Any) -> str | None:
        return None if _is_number(value, (int,)) and lowest <= value <= highest else _without_quotes(value)

    schema = {"type": "integer", "minimum": lowest, "maximum": highest}
    return Form(f"a whole number from {lowest} to {highest}", check, schema)


def number(lowest: float, highest: float, *, above: bool = False, including: bool = False) -> Form:
    """A number from `lowest`, or with `above` more than that, to less than `highest`, or with `including` to that."""

    def check(value: Any) -> str | None:
        right = _is_number(value, (int, float)) and lowest <= value <= highest
        right = right and not (above and value == lowest) and (including or value != highest)
        return None if right else _without_quotes(value)

    start, end = (
        f"{'more than' if above else 'from'} {lowest:g}",
        f"to {'' if including else 'less than '}{highest:,.0f}",
    )
    lower, upper = "exclusiveMinimum" if above else "minimum", "maximum" if including else "exclusiveMaximum"
    return Form(f"a number {start} {end}", check, {"type": "number", lower: lowest, upper: highest})


def one_of_numbers(numbers: tuple[float, ...], what: str) -> Form:
    """One of some numbers."""

    def check(value: object) -> str | None:
        return None if _is_number(value, (int, float)) and value in numbers else _without_quotes(value)

    return Form(f"{what}: {', '.join(map(str, numbers))}", check, {"type": "number", "enum": list(numbers)})


def _without_quotes(value: object) -> str:
    return "write it without quotes" if isinstance(value, str) and re.fullmatch(r"[0-9]+(\.[0-9]+)?", value) else ""


Flag = Annotated[
    bool,
    Form("true or false, without quotes", lambda value: None if isinstance(value, bool) else "", {"type": "boolean"}),
]


@dataclass(frozen=True)
class Within:
    """Bounds of a duration, and where they come from."""

    lowest: str
    highest: str
    because: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check what is a duration."""
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(self, inner: CoreSchema, handler: GetJsonSchemaHandler) -> Json:
        """A JSON Schema cannot compare durations; its words do."""
        schema = handler(inner)
        return schema | {"x-allowed": f"{schema['x-allowed']}; {self.lowest} to {self.highest}"}

    def _checked(self, value: str) -> str:
        if not seconds(self.lowest) <= seconds(value) <= seconds(self.highest):
            raise ValueError(f"must be {self.lowest} to {self.highest}: {self.because}")
        return value


@dataclass(frozen=True)
class Distinct:
    """A list in which nothing is twice."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check the whole list."""
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(self, inner: CoreSchema, handler: GetJsonSchemaHandler) -> Json:
        """The list's schema."""
        return handler(inner) | {"uniqueItems": True}

    def _checked(self, items: tuple[Any, ...]) -> tuple[Any, ...]:
        twice = [item for item in dict.fromkeys(items) if items.count(item) > 1]
        if twice:
            raise ValueError(f"given twice: {', '.join(map(str, twice))}; name each once")
        return items


List = Annotated[tuple[T, ...], Distinct()]
"""Values, each once."""
Some = Annotated[tuple[T, ...], Field(min_length=1), Distinct()]
"""At least one value, each once."""


@dataclass(frozen=True)
class Closed:
    """A map whose keys are all of one form."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Pydantic checks the keys."""
        return handler(source)

    def __get_pydantic_json_schema__(self, inner: CoreSchema, handler: GetJsonSchemaHandler) -> Json:
        """A JSON Schema allows other keys unless it says that it does not."""
        return handler(inner) | {"additionalProperties": False}


Map = Annotated[dict[K, T], Closed()]
"""Some names with values."""


def _lasting(text: str) -> str | None:
    return f"at most {LONGEST}: Prometheus takes no longer one" if seconds(text) > seconds(LONGEST) else None


LONGEST = "15250w"
"""Prometheus, Alertmanager and Loki count durations in nanoseconds of 64 bits."""
LARGEST = "64Ti"
"""Of an EBS volume of type gp3."""


def _unzero(text: str) -> str | None:
    return "zero is too little to start" if not float(text.removesuffix("m")) else None


def _no_larger(text: str) -> str | None:
    return f"at most {LARGEST}" if mebibytes(text) > mebibytes(LARGEST) else None


Duration = Annotated[str, text("[1-9][0-9]{0,5}[smhdw]", "a duration in s, m, h, d or w such as 30s or 15d", _lasting)]
Cpu = Annotated[
    str, text("[1-9][0-9]{0,5}m|[0-9]{1,4}(\\.[0-9]{1,3})?", "an amount of CPU such as 250m, 1.5 or 2", _unzero)
]
Size = Annotated[str, text("[1-9][0-9]{0,7}(Mi|Gi|Ti)", "a size in Mi, Gi or Ti such as 20Gi", _no_larger)]
Name = Annotated[
    str,
    text("[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", "a DNS label: at most 63 of lower-case letters, digits, hyphens"),
]
BucketName = Annotated[
    str,
    # S3 also takes dots, but its certificate covers no such host name.
    text(
        "(?!xn--|sthree-|amzn-s3-demo-)(?!.*(-s3alias|--ol-s3|--x-s3|--table-s3)$)[a-z0-9][-a-z0-9]{1,61}[a-z0-9]",
        "an S3 bucket name: 3 to 63 lower-case letters, digits, hyphens, without a prefix or suffix that AWS reserves",
    ),
]
Region = Annotated[
    str,
    text("(?!cn-)[a-z]{2}-[a-z]+-[0-9]", "a region such as us-west-2; not of China or GovCloud, whose ARNs differ"),
]
ClusterName = Annotated[
    str,
    text("[A-Za-z0-9][-_A-Za-z0-9]{0,99}", "an EKS cluster name: at most 100 letters, digits, hyphens, underscores"),
]
TableName = Annotated[
    str,
    text("[-_.A-Za-z0-9]{3,255}", "a DynamoDB table name: 3 to 255 letters, digits, hyphens, underscores, dots"),
]

_HOST = r"[a-zA-Z0-9]([-a-zA-Z0-9.]*[a-zA-Z0-9])?"


def _port(address: str) -> str | None:
    return None if 1 <= int(address.rpartition(":")[2]) <= 65535 else "expected a port from 1 to 65535"


def _split(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "its host or port is not valid"
    if "@" in parts.netloc:
        return "without credentials, which everybody who reads the configuration would see"
    return "expected a port from 1 to 65535" if port == 0 else None


Address = Annotated[
    str,
    text(
        f"{_HOST}:[0-9]{{1,5}}",
        "host:port such as mail.example.com:587 or redis.example.com:6379, without a scheme or a path",
        _port,
    ),
]
Url = Annotated[
    str,
    text(
        rf"https?://([^\s/@?#]+@)?{_HOST}(:[0-9]{{1,5}})?([/?#]\S*)?",
        "an address with its host such as https://example.com/path",
        _split,
    ),
]
Link = Annotated[
    str,
    text(
        rf"https?://([^\s/@?#]+@)?{_HOST}(:[0-9]{{1,5}})?(/[^\s?#]*[^\s?#/])?",
        "an address to which paths are added such as https://example.com/monitoring, without a final slash, ? or #",
        _split,
    ),
]
Mail = Annotated[
    str,
    text(
        r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?",
        "an e-mail address such as team@example.com",
    ),
]
Word = Annotated[str, text(r"[!-~]{1,253}", "text without spaces, such as monitoring")]
Line = Annotated[str, text(r".*\S.*", "one line of text")]


def _instant(text: str) -> str | None:
    try:
        datetime.date.fromisoformat(text)
    except ValueError:
        return "there is no such day"
    return None


def _written(value: object) -> object:
    """A date that another YAML reader has made of it already, as text."""
    return value.isoformat() if type(value) is datetime.date else value


Date = Annotated[
    datetime.date,
    text("[0-9]{4}-[0-9]{2}-[0-9]{2}", "a day as YYYY-MM-DD such as 2026-12-25", _instant, format="date"),
    BeforeValidator(_written, json_schema_input_type=str),
]
Clock = Annotated[str, text("([01][0-9]|2[0-3]):[0-5][0-9]|24:00", "a time of day such as 09:00")]


@functools.cache
def time_zones() -> tuple[str, ...]:
    """Every IANA time zone, by the pinned package and not by what this machine has.

    Without `Factory`, which is no place. `localtime`, which some systems have beside the zones, differs by machine.
    """
    zones = importlib.resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8").split()
    return tuple(sorted(set(zones) - {"Factory"}))


TimeZone = Annotated[
    str,
    Form(
        "an IANA time zone such as America/New_York",
        lambda value: None if isinstance(value, str) and value in time_zones() else "",
        {"type": "string", "enum": list(time_zones())},
    ),
]
