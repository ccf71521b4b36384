"""What is wrong with an input, in words: all at once, each with its key, its value, what is allowed, and a remedy."""

from __future__ import annotations

import copy
import difflib
import re
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, Tag, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

import documents
from documents import Loc
from invalid import one_of
from validation import Form, InvalidInputError, shown

M = TypeVar("M", bound=BaseModel)
Place = Callable[[Loc], str]
"""What stands before a problem: where in a file its key is, or the key itself."""


def validated(
    model: type[M],
    document: Any,
    file: Path,
    name: str = "",
    key: Callable[[Any, Loc], str] | None = None,
    below: Loc = (),
) -> M:
    """The document of a YAML file, or what is `below` some keys of it, as a model.

    Raises InvalidInputError with every problem, each with its line and its key; `key` says what people call it.
    """
    try:
        return model.model_validate(document, by_alias=True, by_name=False)
    except ValidationError as error:
        called = partial(key, document) if key else path
        raise InvalidInputError(problems(error, model, key=called, line=documents.places(file, name, below))) from None


def problems(
    error: ValidationError,
    model: type[BaseModel],
    where: str = "",
    besides: Collection[Loc] = (),
    key: Place | None = None,
    line: Place = lambda _: "",
) -> list[str]:
    """One readable line per pydantic error: its line in a file, the key's path in `where`, its value, what is allowed.

    Errors at a path of `besides`, which was reported already, are left out, and what does not fit together with a value
    there: that is the default.
    """
    found: list[str] = []
    details = error.errors(include_url=False)
    for detail in details:
        if not _follows(detail, besides) and not _only_wrong_items(detail, details):
            context, loc = detail.get("ctx", {}), _meant(detail, model)
            start = f"{where} " if where else ""
            found += context.get(_COMPLETE) or [
                f"{line(_named(text))}{start}{text}"
                for text in context.get(_CONFLICTS, ())
                if not _mentions(text, besides)
            ]
            if not {_COMPLETE, _CONFLICTS} & set(context):
                found.append(line(loc) + _problem(detail, model, where, (key or path)(loc)))
    return list(dict.fromkeys(found))


def _follows(detail: ErrorDetails, besides: Collection[Loc]) -> bool:
    """Whether a problem is only there as a value that was reported before is not."""
    loc, context = detail["loc"], detail.get("ctx", {})
    if loc in besides or (detail["type"] == "too_short" and loc in map(_list, besides)):
        return True
    if _COMPLETE in context:
        return any(_mentions(text, besides) for text in context[_COMPLETE])
    return detail["type"] == "value_error" and _mentions(detail["msg"], besides, loc)


def _mentions(text: str, wrong: Collection[Loc], section: Loc = ()) -> bool:
    """Whether a text names a key that is wrong; keys in it are `section`'s, where there is one."""
    named = [(*section, *word.split(".")) for word in re.findall(r"[A-Za-z]\w*(?:\.\w+)*", text)]
    return any(above and key[: len(above)] == above for above in map(_list, wrong) for key in named)


def _list(loc: Loc) -> Loc:
    """The list that an item is in: one that lacks the item is wrong itself; else the path."""
    return loc[:-1] if loc and isinstance(loc[-1], int) else loc


_BEGINS = re.compile(r"Value error, (\w+): ")


def _meant(detail: ErrorDetails, model: type[BaseModel]) -> Loc:
    """The key that a problem is about: what a section says of itself begins with one of its keys."""
    named = _BEGINS.match(detail["msg"])
    return (*detail["loc"], named[1]) if named and named[1] in keys(model, detail["loc"]) else detail["loc"]


def _only_wrong_items(detail: ErrorDetails, details: list[ErrorDetails]) -> bool:
    """Whether a list is too short for pydantic only as it does not count the items that are wrong."""
    loc = detail["loc"]
    below = (each["loc"] for each in details if each is not detail)
    return detail["type"] == "too_short" and any(other[: len(loc)] == loc for other in below)


_COMPLETE, _CONFLICTS = "complete", "conflicts"


def several(*lines: str) -> PydanticCustomError:
    """What a validator raises that finds more than one problem: each is a line of its own, and complete as it is."""
    return PydanticCustomError(_COMPLETE, "several problems", {_COMPLETE: list(lines)})


def conflicts(*lines: str) -> PydanticCustomError:
    """What a validator raises if values do not fit together: each is a line, behind the name of the input."""
    return PydanticCustomError(_CONFLICTS, "several conflicts", {_CONFLICTS: list(lines)})


def _named(conflict: str) -> Loc:
    """The key that a conflict begins with, if it does, such as `services[2].name`."""
    key = re.match(r"[\w.\[\]]*", conflict)
    return tuple(int(part) if part.isdecimal() else part for part in re.findall(r"\w+", key[0] if key else ""))


def without(document: Any, error: ValidationError) -> Any:
    """The document without the values that `error` names, so that what depends on the others can be checked too."""
    rest = copy.deepcopy(document)
    for detail in reversed(error.errors(include_url=False)):  # the last of a list first, as the others move up
        _remove(rest, detail["loc"])
    return rest


def _remove(document: Any, loc: Loc) -> None:
    try:
        for part in loc[:-1]:
            document = document[part]
        del document[loc[-1]]
    except (KeyError, IndexError, TypeError):
        return  # it is missing, which is what was wrong with it


def _problem(detail: ErrorDetails, model: type[BaseModel], where: str, key: str) -> str:
    start = "".join(f"{part}: " for part in (" ".join(filter(None, (where, key))),) if part)
    if detail["type"] == "extra_forbidden":
        return f"{start}unknown key; {_suggestion(detail['loc'], model)}"
    if detail["type"] == "missing":
        return "; ".join((f"{start}missing; it has no default", *_expected(_field(detail["loc"], model))))
    value = detail["input"]
    written = f"{shown(value)!r} " if isinstance(value, str) else f"{shown(value)} "
    return f"{start}{'' if _is_nested(value) or _is_empty(detail) else written}{_words(detail, model)}"


_SECTION, _LIST = ("model_type", "dict_type", "model_attributes_type"), ("tuple_type", "list_type")


def _is_nested(value: Any) -> bool:
    return isinstance(value, dict | list | tuple | BaseModel)


def _is_empty(detail: ErrorDetails) -> bool:
    """Whether there is nothing where a section or a list belongs."""
    return detail["input"] is None and detail["type"] in (*_SECTION, *_LIST)


def _words(detail: ErrorDetails, model: type[BaseModel]) -> str:
    """What is wrong with a value; never in the words of Python."""
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "literal_error":
        options = re.findall(r"'([^']*)'", str(context["expected"]))
        return f"expected {one_of(options, str(value))}"
    empty = "it is empty; " if _is_empty(detail) else ""
    if kind in _SECTION:
        known = keys(model, detail["loc"]) if kind != "dict_type" else []
        return f"{empty}expected keys with values{': ' * bool(known)}{', '.join(known)}"
    if kind in _LIST:
        return f"{empty}expected a list{f', such as [{value}]' if isinstance(value, str) and value else ''}"
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    return _sentence(_BEGINS.sub("", detail["msg"]) if _meant(detail, model) != detail["loc"] else detail["msg"])


_SIMPLE = {
    "too_short": "expected at least one item",
    "invalid_key": "a key must be text; write it in quotes",
    "string_type": "expected text; write it in quotes",
    "bool_type": "expected true or false, without quotes",
}


def _sentence(message: str) -> str:
    """A validator's own message, which continues a line."""
    message = message.removeprefix("Value error, ")
    return f"{message[0].lower()}{message[1:]}" if not message.startswith(("YAML", "Loki")) else message


def path(loc: Loc) -> str:
    """A key's path such as `aws.tables[0]`; empty for the whole document."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc if part != "[key]")
    return text.lstrip(".")


def _suggestion(loc: Loc, model: type[BaseModel]) -> str:
    return unknown(str(loc[-1]), keys(model, loc[:-1]))


def unknown(key: str, known: Collection[str]) -> str:
    """What could have been meant by a key, and which keys there are."""
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    allowed = f"allowed: {', '.join(known)}" if known else "this section has no keys; write {}"
    return f'did you mean "{near[0]}"? {allowed}' if near else allowed


def keys(model: type[BaseModel], loc: Loc) -> list[str]:
    """The keys that the section at `loc` knows."""
    return sorted(field.alias or name for name, field in _section(model, loc).model_fields.items())


def _field(loc: Loc, model: type[BaseModel]) -> FieldInfo | None:
    fields = _section(model, loc[:-1]).model_fields.items()
    return next((field for name, field in fields if loc[-1] in (field.alias, name)), None)


def _expected(field: FieldInfo | None) -> list[str]:
    """What a field may be, as "expected …", where that can be said in a few words."""
    allowed = _allowed(field) if field else ""
    return [f"expected {allowed}"] * bool(allowed)


def _allowed(field: FieldInfo) -> str:
    for section in _sections(field.annotation).values():
        needed = {f.alias or name: _allowed(f) for name, f in section.model_fields.items() if f.is_required()}
        return f"keys with values: {', '.join(f'{key} ({value})' for key, value in needed.items())}" if needed else ""
    if get_origin(field.annotation) is Literal:
        return one_of(get_args(field.annotation), "")
    return next((form.expected for form in field.metadata if isinstance(form, Form)), "")


def _section(model: type[BaseModel], loc: Loc) -> type[BaseModel]:
    """The section at `loc`, or the one that the value there is in."""
    sections: dict[str, type[BaseModel]] = {}
    for part in loc:
        if isinstance(part, int):
            continue
        field = next((f for n, f in model.model_fields.items() if part in (f.alias, n)), None)
        if part in sections:
            model = sections[part]
        elif field is None:
            break
        else:
            sections = _sections(field.annotation)
            model = next(iter(sections.values()), model)
    return model


def _sections(annotation: Any, tag: str = "") -> dict[str, type[BaseModel]]:
    """The sections inside an annotation such as `Aws | None` or `tuple[Service, ...]`, by their tags in a union."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {tag: annotation}
    if hasattr(annotation, "__metadata__"):
        tags = (each.tag for each in annotation.__metadata__ if isinstance(each, Tag))
        return _sections(annotation.__origin__, next(tags, tag))
    found: dict[str, type[BaseModel]] = {}
    for argument in getattr(annotation, "__args__", ()):
        found |= _sections(argument, tag)
    return found
