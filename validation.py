"""How every validated file of this project reports bad input: all errors at once, each with its remedy."""

from __future__ import annotations

import copy
import difflib
import re
from collections.abc import Callable, Collection
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, PydanticCustomError

A = TypeVar("A")
B = TypeVar("B")


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


class InvalidInputError(ValueError):
    """Everything wrong with the input, one problem a line."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(f"  - {problem}" for problem in problems))
        self.problems = problems


def _matching(pattern: str, expected: str) -> tuple[BeforeValidator, WithJsonSchema]:
    """A text that must match `pattern`; `expected` says so to people, in errors and in the settings' table."""

    def check(text: object) -> object:
        if not isinstance(text, str):
            raise ValueError(f'expected {expected}; write it in quotes: "{text}"')
        if not re.fullmatch(pattern, text):
            raise ValueError(f"expected {expected}")
        return text

    return BeforeValidator(check), WithJsonSchema({"type": "string", "pattern": f"^{pattern}$", "x-allowed": expected})


Duration = Annotated[str, *_matching("[1-9][0-9]{0,5}[smhdw]", "a duration in s, m, h, d or w such as 30s or 15d")]
Cpu = Annotated[str, *_matching("[1-9][0-9]*m|[0-9]+(\\.[0-9]{1,3})?", "an amount of CPU such as 250m, 1.5 or 2")]
Size = Annotated[str, *_matching("[1-9][0-9]*(Mi|Gi|Ti)", "a size in Mi, Gi or Ti such as 20Gi")]
Name = Annotated[
    str,
    *_matching("[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", "a DNS label: at most 63 of lower-case letters, digits, hyphens"),
]
BucketName = Annotated[
    str,
    # S3 also takes dots, but its certificate covers no such host name.
    *_matching(
        "(?!xn--|sthree-|amzn-s3-demo-)(?!.*(-s3alias|--ol-s3|--x-s3|--table-s3)$)[a-z0-9][-a-z0-9]{1,61}[a-z0-9]",
        "an S3 bucket name: 3 to 63 lower-case letters, digits, hyphens, without a prefix or suffix that AWS reserves",
    ),
]
Region = Annotated[
    str,
    *_matching(
        "(?!cn-)[a-z]{2}-[a-z]+-[0-9]", "a region such as us-west-2; not of China or GovCloud, whose ARNs differ"
    ),
]
ClusterName = Annotated[
    str,
    *_matching(
        "[A-Za-z0-9][-_A-Za-z0-9]{0,99}", "an EKS cluster name: at most 100 letters, digits, hyphens, underscores"
    ),
]
TableName = Annotated[
    str,
    *_matching("[-_.A-Za-z0-9]{3,255}", "a DynamoDB table name: 3 to 255 letters, digits, hyphens, underscores, dots"),
]


Loc = tuple[int | str, ...]


def problems(error: ValidationError, model: type[BaseModel], where: str, besides: Collection[Loc] = ()) -> list[str]:
    """One readable line per pydantic error: the key's path in `where`, its value, what is allowed.

    Errors at a path of `besides`, which was reported already, are left out.
    """
    found: list[str] = []
    details = error.errors(include_url=False)
    for detail in details:
        if detail["loc"] not in besides and not _only_wrong_items(detail, details):
            lines = detail.get("ctx", {}).get(_SEVERAL)
            found += lines or [_problem(detail, model, where)]
    return found


def _only_wrong_items(detail: ErrorDetails, details: list[ErrorDetails]) -> bool:
    """Whether a list is too short for pydantic only as it does not count the items that are wrong."""
    loc = detail["loc"]
    below = (each["loc"] for each in details if each is not detail)
    return detail["type"] == "too_short" and any(other[: len(loc)] == loc for other in below)


_SEVERAL = "several"


def several(*lines: str) -> PydanticCustomError:
    """What a validator raises that finds more than one problem: each is a line of its own, and complete as it is."""
    return PydanticCustomError(_SEVERAL, "several problems", {_SEVERAL: list(lines)})


def without(document: Any, error: ValidationError) -> Any:
    """The document without the values that `error` names, so that what depends on the others can be checked too."""
    rest = copy.deepcopy(document)
    for detail in error.errors(include_url=False):
        _remove(rest, detail["loc"])
    return rest


def _remove(document: Any, loc: tuple[int | str, ...]) -> None:
    try:
        for part in loc[:-1]:
            document = document[part]
        del document[loc[-1]]
    except (KeyError, IndexError, TypeError):
        return  # it is missing, which is what was wrong with it


def _problem(detail: ErrorDetails, model: type[BaseModel], where: str) -> str:
    path = _path(detail["loc"])
    if detail["type"] == "extra_forbidden":
        return f"{where} {path}: unknown key; {_suggestion(detail['loc'], model)}"
    if detail["type"] == "missing":
        return f"{where} {path}: missing; it has no default"
    message = detail["msg"].removeprefix("Value error, ")
    value = detail["input"]
    shown = "" if isinstance(value, dict | list | BaseModel) else f" {value!r}"
    return f"{where} {path}:{shown} {message[0].lower()}{message[1:]}"


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


def _path(loc: tuple[int | str, ...]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
    return text.lstrip(".") or "(whole)"


def _suggestion(loc: tuple[int | str, ...], model: type[BaseModel]) -> str:
    known = _keys(model, loc[:-1])
    near = difflib.get_close_matches(str(loc[-1]), known, n=1, cutoff=0.5)
    allowed = "allowed: " + ", ".join(known)
    return f'did you mean "{near[0]}"? {allowed}' if near else allowed


def _keys(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """The keys that the section at `loc` knows."""
    for part in loc:
        if isinstance(part, str):
            field = next((f for n, f in model.model_fields.items() if part in (f.alias, n)), None)
            inner = _section(field.annotation) if field else None
            if inner is None:
                break
            model = inner
    return sorted(field.alias or name for name, field in model.model_fields.items())


def _section(annotation: Any) -> type[BaseModel] | None:
    """The section inside an annotation such as `Aws | None` or `tuple[Service, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _section(argument)
        if found:
            return found
    return None
