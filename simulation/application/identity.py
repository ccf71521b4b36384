"""Users of the simulated application: their password and their token follow from the name, so nothing is stored.

No security here, on purpose: the processes must agree after a restart, and everything stays on loopback.
"""

from __future__ import annotations

from hashlib import blake2s

NOBODY = "nobody"


def _mark(purpose: str, user: str) -> str:
    return blake2s(user.encode(), person=purpose.encode(), digest_size=8).hexdigest()


def password_of(user: str) -> str:
    """Return the one password that logs this user in."""
    return _mark("password", user)


def token_of(user: str) -> str:
    """Return the token that a login hands out."""
    return f"{user}.{_mark('token', user)}"


def user_of(token: str) -> str | None:
    """Return whose token this is, or None for an invalid one."""
    user = token.rpartition(".")[0]
    return user if user and token == token_of(user) else None


def known(user: str) -> bool:
    """Whether there is such a user: everybody but nobody, `nobody_1` and so on."""
    return not user.startswith(NOBODY)
