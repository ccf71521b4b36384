"""Everything that a process logs becomes the service's lines: structlog, the standard library, uvicorn, crashes."""

from __future__ import annotations

import atexit
import logging
import sys
import threading
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any

import structlog

from order_processor_observability.clean import as_text
from order_processor_observability.lines import Lines

LEVELS = {"DEBUG": 10, "INFO": 20, "WARN": 30, "ERROR": 40, "CRITICAL": 50}
_METHODS = {"debug": 10, "info": 20, "warn": 30, "warning": 30, "error": 40, "exception": 40, "critical": 50}
_UVICORN = ("uvicorn", "uvicorn.error", "uvicorn.asgi")
# What structlog and the formatters of other handlers leave on a record, and uvicorn's message with terminal colours.
_NO_EXTRAS = ("_from_structlog", "message", "asctime", "color_message")
_REPORTED = "_order_processor_reported"

EventDict = MutableMapping[str, Any]


def configure(lines: Lines, level: str) -> None:
    """Send all logging of this process to `lines`, from `level` on.

    Raises ValueError for a level that is none of DEBUG, INFO, WARN, ERROR, CRITICAL.
    """
    if level not in LEVELS:
        raise ValueError(f"log_level: {level!r} is unknown; choose one of {', '.join(LEVELS)}")
    structlog.configure(
        processors=[partial(_drop_below, LEVELS[level]), structlog.contextvars.merge_contextvars, _Renderer(lines)],
        wrapper_class=structlog.stdlib.BoundLogger,  # hands positional arguments on instead of formatting, which raises
        logger_factory=lambda *names: _Sink(lines, names[0] if names else None),
        cache_logger_on_first_use=False,
    )
    handler = _Handler(lines)
    _take_root(handler, LEVELS[level])
    _take_uvicorn(handler)
    _take_crashes(lines)
    logging.captureWarnings(True)
    atexit.register(lines.flush)


def reported(error: BaseException) -> None:
    """Note that a line has told of this exception: uvicorn's own, which knows no request, would be a second one."""
    with suppress(Exception):  # one without room for an attribute is told of twice
        setattr(error, _REPORTED, True)


class _Sink:
    """What structlog's loggers write to."""

    def __init__(self, lines: Lines, name: str | None) -> None:
        self.name = name
        self._write = lines.write

    def __getattr__(self, _method: str) -> Callable[[str], None]:
        """Every level's method writes; the level is in the line."""
        return self._write


class _Renderer:
    """The last processor: makes a line of an event, of structlog or the standard library."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines

    def __call__(self, logger: Any, method: str, event: EventDict) -> str:
        record: logging.LogRecord | None = event.pop("_record", None)
        for key in _NO_EXTRAS if record else ():
            event.pop(key, None)
        message = _message(event.pop("event", ""), event.pop("positional_args", ()))
        return self._lines.render(
            _level_of(record.levelno if record else _METHODS.get(method, 20)),
            message,
            logger=record.name if record else getattr(logger, "name", None),
            exception=_exception(event.pop("exc_info", None)),
            username=event.pop("username", None),
            context=_context(event),
        )


class _Handler(logging.Handler):
    """The standard library's way to the lines."""

    def __init__(self, lines: Lines) -> None:
        super().__init__()
        self._lines = lines
        self.setFormatter(
            structlog.stdlib.ProcessorFormatter(
                processors=[_Renderer(lines)],
                foreign_pre_chain=[structlog.contextvars.merge_contextvars, structlog.stdlib.ExtraAdder()],
                use_get_message=False,  # wrong arguments must not cost the line
                pass_foreign_args=True,
            )
        )

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception as error:
            message = f"A log record could not be read ({type(error).__name__})."
            line = self._lines.render("ERROR", message, {}, logger=record.name)
        self._lines.write(line)


class _Divert(logging.Filter):
    """Sends a logger's records to us, and nowhere else.

    uvicorn configures its loggers after `observe` where an application starts it with `uvicorn.run(app)`. That replaces
    handlers and levels, but leaves filters.
    """

    def __init__(self, handler: logging.Handler | None) -> None:
        super().__init__()
        self._handler = handler

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if self._handler and not getattr(error, _REPORTED, False):
            self._handler.handle(record)
        return False


def _drop_below(threshold: int, _logger: Any, method: str, event: EventDict) -> EventDict:
    if _METHODS.get(method, 20) < threshold:
        raise structlog.DropEvent
    return event


def _take_root(handler: logging.Handler, level: int) -> None:
    root = logging.getLogger()
    for other in root.handlers[:]:
        # Those that print; what sends lines elsewhere stays.
        if isinstance(other, _Handler) or type(other) is logging.StreamHandler:
            root.removeHandler(other)
    root.addHandler(handler)
    root.setLevel(level)


def _take_uvicorn(handler: logging.Handler) -> None:
    for name in (*_UVICORN, "uvicorn.access"):
        logger = logging.getLogger(name)
        for other in [each for each in logger.filters if isinstance(each, _Divert)]:
            logger.removeFilter(other)
        # Its access lines have no ids, and the query with all its secrets; ours replace them.
        logger.addFilter(_Divert(None if name == "uvicorn.access" else handler))
        logger.handlers.clear()


def silence_access_lines() -> None:
    """Spare uvicorn the making of access lines that nobody gets; it looks for handlers with each connection."""
    logger = logging.getLogger("uvicorn.access")
    logger.handlers.clear()
    logger.propagate = False


def _take_crashes(lines: Lines) -> None:
    def crashed(error: BaseException | None, where: str) -> None:
        lines.write(lines.render("CRITICAL", f"Uncaught exception in {where}.", {}, exception=error))

    def in_main(_kind: type[BaseException], error: BaseException, _traceback: TracebackType | None) -> None:
        if isinstance(error, KeyboardInterrupt):
            return
        crashed(error, "the main thread")

    def in_thread(arguments: threading.ExceptHookArgs) -> None:
        crashed(arguments.exc_value, f"thread {arguments.thread.name if arguments.thread else 'unknown'}")

    sys.excepthook = in_main
    threading.excepthook = in_thread


def _level_of(number: int) -> str:
    return next((name for name, lowest in reversed(LEVELS.items()) if number >= lowest), "DEBUG")


def _message(event: object, arguments: Any) -> str:
    text = as_text(event)
    if not arguments:
        return text
    try:
        return str(text % arguments)
    except Exception:
        return f"{text} {as_text(arguments)}"


def _exception(given: object) -> BaseException | None:
    if isinstance(given, BaseException):
        return given
    if isinstance(given, tuple):
        return given[1] if len(given) == 3 else None
    return sys.exc_info()[1] if given else None


def _context(event: EventDict) -> dict[str, object]:
    """What is left of an event; a mapping called `context` is part of it."""
    given = event.pop("context", None)
    if isinstance(given, dict):
        return {**given, **event}
    return dict(event) if given is None else {**event, "context": given}
