"""Slack's incoming webhook: what it accepts, and how it refuses.

The alert is read from attachment fields titled `Alert`, `Service`, `Severity` and `Status` (`firing` or `resolved`);
their values may list several names between commas or spaces.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from simulation.receivers.notifications import STATUSES, Notification, names, word
from simulation.receivers.refusals import RefusedError

MAX_ATTACHMENTS = 100
"""Slack refuses more attachments in one message."""


def read(body: bytes) -> Notification:
    """Return the message of a request body. Raises RefusedError as Slack would."""
    try:
        message = json.loads(body)
    except ValueError:
        raise RefusedError(400, "invalid_payload") from None
    _check(message)
    attachments = message.get("attachments", [])
    fields = dict(_fields(attachments))
    titles = [attachment.get("title") for attachment in attachments]
    return Notification(
        receiver="slack",
        title=next(filter(None, [*titles, message.get("text")]), None),
        destination=message.get("channel"),
        alertnames=names(fields.get("alert")),
        services=names(fields.get("service")),
        status=word(fields.get("status"), STATUSES),
        severity=word(fields.get("severity")),
        raw=message,
    )


def _check(message: Any) -> None:
    if not isinstance(message, dict):
        raise RefusedError(400, "invalid_payload")
    texts = [message.get(key, "") for key in ("text", "channel", "username")]
    lists = [message.get(key, []) for key in ("attachments", "blocks")]
    if not all(isinstance(text, str) for text in texts) or not all(_is_list_of_objects(each) for each in lists):
        raise RefusedError(400, "invalid_payload")
    if not message.get("text") and not any(lists):
        raise RefusedError(400, "no_text")
    if len(lists[0]) > MAX_ATTACHMENTS:
        raise RefusedError(400, "too_many_attachments")


def _is_list_of_objects(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _fields(attachments: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield titles in lower case with the values that all attachments give under them."""
    values: dict[str, list[str]] = {}
    for attachment in attachments:
        for field in attachment.get("fields") or []:
            values.setdefault(str(field.get("title", "")).strip().lower(), []).append(str(field.get("value", "")))
    return ((title, "\n".join(dict.fromkeys(texts))) for title, texts in values.items())
