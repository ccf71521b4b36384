"""Texts with a secret, for each entry of `secrets.json` in each form that texts have, and texts that have none.

The package and the log agent are both held to them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from order_processor_observability.masking import LIST

SECRET = "Zq7AbCdEfGhIjKlMnOpQrStUvWxYz0123"
"""What must not be readable; long enough for each beginning of a token."""

NAMES = (
    *("password", "Password", "user_passwd", "passphrase", "passcode", "db_pwd", "refreshToken", "client_secret"),
    *("x-api-key", "apiKey", "accessKey", "aws_access_key", "private-key", "routing_key", "integrationKey"),
    *("Authorization", "set-cookie", "sessionId", "session_id", "card_cvv", "cvc", "card_number", "credentials"),
    *("signature", "slack_webhook_url"),
)
WORDS = (*LIST["words"], *(f"user_{word}" for word in LIST["words"]))

_ADDRESSES = ("https://{}", "to=https%3A%2F%2F{}", '{{"url": "https:\\/\\/{}"}}')
_FORMS = (
    "redis://:{}@cache:6379/0",
    "postgresql://bob:{}@db/orders",
    "got eyJhbGciOiJI.eyJ{}.{}",
    "AKIAZQ7ABCDEFGHIJKLM",
    "-----BEGIN RSA PRIVATE KEY-----\\n{}",
    "POST /services/T0ABCDE/B0ABCDE/{} 200",
    "GET /c?sv=1&sig={}",
    "123456789:AA{}",
)


def texts() -> Iterator[str]:
    """Every text with a secret."""
    for name in NAMES:
        yield from (f"{name}: {SECRET}", f"{name} : {SECRET}", *_assigned(name))
    for word in WORDS:
        yield from _assigned(word)
    for pair in LIST["pairs"]:
        yield from (
            f"{pair}=('bob', '{SECRET}')",
            f"{pair} = HTTPBasicAuth('bob', '{SECRET}')",
            f'"{pair}": ["bob", "{SECRET}"]',
        )
    for scheme in LIST["schemes"]["any"]:
        yield from (f"sent {scheme} {SECRET}", f"{scheme.title()} a:{SECRET}%=", f'{{"auth":"{scheme} x:{SECRET}"}}')
    for scheme in LIST["schemes"]["encoded"]:
        yield from (f"401 for {scheme.title()} {SECRET}", f'{{"auth":"{scheme} {SECRET}="}}')
    for address in LIST["addresses"]:
        yield from (form.format(f"{address}{SECRET}/x") for form in _ADDRESSES)
    for prefixes in LIST["prefixes"].values():
        yield from (f"with {prefix}{SECRET}, then" for prefix in prefixes)
    yield from (form.replace("{}", SECRET) for form in _FORMS)


def _assigned(name: str) -> Iterator[str]:
    """A name and its value as programs write them."""
    yield f"{name}={SECRET}"
    yield f"{name} = {SECRET}, x"
    yield f"https://x.io/p?a=1&{name}={SECRET}&b=2"
    yield f'{name}="{SECRET} {SECRET}"'
    yield f"User({name}='{SECRET} {SECRET}', a=1)"
    if not re.search("authorization|cookie", name, re.IGNORECASE):
        yield f"{name}=['{SECRET}', '{SECRET}']"
    yield json.dumps({"a": 1, name: SECRET, "b": "c"})
    yield json.dumps({"extra": json.dumps({name: SECRET})})
    yield json.dumps({name: [SECRET, {"x": SECRET}]})
    yield repr({"a": 1, name: SECRET})
    yield repr({name: {"x": [SECRET]}})[:-3]
    yield repr([(name.encode(), SECRET.encode())])


PACKAGE_ALONE = (
    *(f"POST {address}{SECRET} failed" for address in LIST["addresses"]),
    *(f"{name}=['{SECRET}', '{SECRET}']" for name in ("Authorization", "set-cookie")),
)
"""What the agent does not mask: an address without a scheme, and of such a list more than its beginning."""

HARMLESS = (
    "Buy order executed successfully: user=bob, asset=BTC, quantity=1.5",
    "order_743a40b7_1795428063 and req-1795453674655359280",
    "The password of bob is wrong.",
    "HTTP Basic authentication failed",
    "session started, session: 7, 3 tests pass: 1, auth=ok",
    "compass=north passed=3 bypass=1 author=bob pinned=2 ping=4 mapping=5 session_count=6",
    "task-12345678-1234-4678-9123-456789012345",
    "cardinality=3 discard=4 lessons: 5, primary_key=id, cache key: assets",
    "GET /orders/order_743a40b7_1795428063?limit=10",
    '{"passed":12,"shipping":"free","author":"bob","pin_count":3,"tokens":[],"auth":"ok"}',
    '{"message":"password=","user":"bob"}',
)
