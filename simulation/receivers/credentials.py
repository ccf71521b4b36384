"""The credentials that the receivers accept, read from a file that only its owner can read."""

from __future__ import annotations

import hmac
import json
import stat
from dataclasses import dataclass, fields
from pathlib import Path

ROUTING_KEY_LENGTH = 32
"""Length of a PagerDuty integration key (PagerDuty refuses any other)."""


class CredentialsError(ValueError):
    """The credentials file cannot be used; the message says why and what to do."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Credentials:
    """What a sender must know; the file is a JSON object with exactly these keys."""

    slack_path: str
    """Token part of the webhook's path: POST /slack/<slack_path>."""
    pagerduty_routing_key: str
    """Integration key of the PagerDuty service, 32 characters."""
    smtp_user: str
    smtp_password: str
    heartbeat_path: str
    """Token part of the heartbeat's path: POST /heartbeat/<heartbeat_path>."""


def load(path: Path) -> Credentials:
    """Read the credentials. Raises CredentialsError."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        document = json.loads(path.read_text())
    except OSError as error:
        raise CredentialsError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise CredentialsError(f"{path}: not valid JSON: {error}") from None
    if mode & 0o077:
        raise CredentialsError(f"{path}: mode {mode:04o} lets others read it; run: chmod 600 {path}")
    return _checked(path, document)


def same(given: str, expected: str) -> bool:
    """Compare two secrets in constant time."""
    return hmac.compare_digest(given.encode(), expected.encode())


def _checked(path: Path, document: object) -> Credentials:
    keys = {field.name for field in fields(Credentials)}
    if not isinstance(document, dict) or set(document) != keys:
        raise CredentialsError(f"{path}: must be a JSON object with exactly the keys {', '.join(sorted(keys))}")
    for key, value in document.items():
        if not isinstance(value, str) or not value:
            raise CredentialsError(f"{path}: {key} must be a string that is not empty")
    credentials = Credentials(**document)
    if len(credentials.pagerduty_routing_key) != ROUTING_KEY_LENGTH:
        raise CredentialsError(f"{path}: pagerduty_routing_key must have {ROUTING_KEY_LENGTH} characters")
    return credentials
