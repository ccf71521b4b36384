"""A mail server that insists on TLS and a password.

The alert is read from the headers `X-Alert-Name`, `X-Alert-Service`, `X-Alert-Severity` and `X-Alert-Status`
(`firing` or `resolved`).
"""

from __future__ import annotations

import logging
import ssl
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from simulation.receivers.credentials import Credentials, same
from simulation.receivers.notifications import STATUSES, Notification, Store, names, word
from simulation.receivers.refusals import Outages

# aiosmtpd warns here about its own use of a name it deprecated, once for each mail.
logging.getLogger("mail.log").setLevel(logging.ERROR)


def server(credentials: Credentials, store: Store, outages: Outages, context: ssl.SSLContext) -> SMTP:
    """Return the protocol object for one connection."""

    def authenticate(_server: SMTP, _session: Any, _envelope: Any, mechanism: str, given: Any) -> AuthResult:
        known = (
            mechanism in ("LOGIN", "PLAIN")
            and isinstance(given, LoginPassword)
            and same(given.login.decode(errors="replace"), credentials.smtp_user)
            and same(given.password.decode(errors="replace"), credentials.smtp_password)
        )
        return AuthResult(success=known, handled=False, auth_data=given if known else None)

    return _Server(
        store,
        _Inbox(outages),
        hostname="localhost",
        ident="rehearsal mail server",
        tls_context=context,
        require_starttls=True,
        auth_required=True,
        authenticator=authenticate,
    )


def read(content: bytes) -> Notification:
    """Return what a mail says."""
    mail = message_from_bytes(content, _class=EmailMessage, policy=policy.default)
    return Notification(
        receiver="email",
        title=_header(mail, "Subject"),
        destination=_header(mail, "To"),
        alertnames=names(_header(mail, "X-Alert-Name")),
        services=names(_header(mail, "X-Alert-Service")),
        status=word(_header(mail, "X-Alert-Status"), STATUSES),
        severity=word(_header(mail, "X-Alert-Severity")),
        raw={
            "headers": {name: str(value) for name, value in mail.items()},
            "text": _body(mail, "plain"),
            "html": _body(mail, "html"),
        },
    )


class _Inbox:
    """aiosmtpd's handler: called when a whole message has come."""

    def __init__(self, outages: Outages) -> None:
        self._outages = outages

    async def handle_DATA(self, server: _Server, _session: Any, envelope: Any) -> str:  # noqa: N802, aiosmtpd's name
        server.message = read(envelope.content)
        failure = self._outages.take("email")
        if failure is not None:
            return f"{failure} rehearsed failure"
        if not server.message.raw["headers"].keys() >= {"From", "To", "Subject"}:
            return "550 5.6.0 The message lacks a From, To or Subject header"
        return "250 2.0.0 Accepted"


class _Server(SMTP):  # type: ignore[misc]  # aiosmtpd is not typed
    """Records each message with the answer it got, and each refused command."""

    # What mail servers ask in AUTH LOGIN; Alertmanager understands no other question, aiosmtpd's own included.
    AuthLoginUsernameChallenge = "Username:"
    AuthLoginPasswordChallenge = "Password:"

    def __init__(self, store: Store, inbox: _Inbox, **options: Any) -> None:
        super().__init__(inbox, **options)
        self._store = store
        self.message: Notification | None = None

    async def push(self, status: str | bytes) -> None:
        """Answer the client: every answer of the server passes here."""
        answer = status.decode() if isinstance(status, bytes) else status
        message, self.message = self.message, None
        if answer.startswith(("4", "5")):
            self._store.add(replace(message or Notification(receiver="email"), refused=answer))
        elif message:
            self._store.add(message)
        await super().push(status)


def _header(mail: EmailMessage, name: str) -> str | None:
    value = mail[name]
    return None if value is None else str(value)


def _body(mail: EmailMessage, kind: str) -> str | None:
    part = mail.get_body((kind,))
    return None if part is None else str(part.get_content())
