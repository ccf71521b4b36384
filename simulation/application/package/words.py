"""What a service with the instrumentation package writes of each outcome: templates of its lines, and the status.

Those that tell an event of events.yaml have today's texts, as the application will keep them; the others are shorter.
The package adds ids, and a line of its own for each request.
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from simulation.application.simulation import request_id_of, user_of, values_of
from simulation.application.telemetry import Log


@dataclass(frozen=True)
class Line:
    """One line; `extra` names the values that it has as fields."""

    level: str
    action: str
    message: str
    logger: str | None = None
    extra: tuple[str, ...] = ()
    of_user: bool = False  # names the user whom the gateway does not know yet


@dataclass(frozen=True)
class Outcome:
    """What is written, and the status of the answer."""

    status: int
    lines: tuple[Line, ...] = ()


def _start(message: str) -> Line:
    return Line("INFO", "request_start", message)


def _end(message: str, action: str = "request_end", *extra: str) -> Line:
    return Line("INFO", action, message, extra=extra)


def _stored(message: str) -> Line:
    return Line("INFO", "db_operation", message, "database")


def _refused(message: str, action: str = "validation_error") -> Line:
    return Line("WARN", action, message)


def _audited(level: str, action: str, message: str) -> Line:
    return Line(level, action, message, "audit", ("ip_address", "user_agent"), of_user=True)


_ORDER = "type: {order_type}, asset: {asset_id}, quantity: {quantity}"
_ORDERING = _start(f"Order creation attempt from {{ip_address}} for user {{user}}, {_ORDER}")
_ORDERED = _stored("Order created: id={order_id}, user={user}, asset={asset_id}")
_EXECUTED = f"order executed successfully: order_id={{order_id}}, {_ORDER}"
_REGISTERING = _start("Register attempt from {ip_address} for username: {user}, email: {email}")
_LOGIN = _start("Login attempt for: {user}")
_ASKED = _start("Asset details requested for: {asset_id}")
_ALL_ASKED = _start("Assets list requested - active_only: True, limit: 50")

OUTCOMES = {
    "token-valid": Outcome(200, (Line("INFO", "auth_success", "User authenticated via JWT: {user}", of_user=True),)),
    "token-invalid": Outcome(200, (_refused("Token is invalid", "auth_failed"),)),
    "insights": Outcome(200, (_start("Portfolio insights requested"), _end("Portfolio insights generated"))),
    "assets": Outcome(200, (_ALL_ASKED, _end("Retrieved {count} assets (total: {count})"))),
    "asset": Outcome(200, (_ASKED, _end("Asset found: {asset_id}"))),
    "asset-unknown": Outcome(404, (_ASKED, _refused("Asset '{asset_id}' not found", "not_found"))),
    "order-malformed": Outcome(422, (_refused("Order validation failed: type, asset or quantity"),)),
    "order-beyond-balance": Outcome(
        400, (_ORDERING, _refused(f"Order validation failed: error=Insufficient balance, {_ORDER}"))
    ),
    "order-waiting": Outcome(201, (_ORDERING, _ORDERED)),
    "buy": Outcome(201, (_ORDERING, _ORDERED, _end(f"Buy {_EXECUTED}", "request_end", "amount"))),
    "sell": Outcome(201, (_ORDERING, _ORDERED, _end(f"Sell {_EXECUTED}", "request_end", "amount"))),
    "order-cancelled": Outcome(
        200,
        (
            _stored("Order status updated: id={order_id}, status=cancelled"),
            _end("Order cancelled: order_id={order_id}"),
        ),
    ),
    "order-not-waiting": Outcome(409, (_refused("Order {order_id} is {status}"),)),
    "order": Outcome(200, (_end("Order retrieved: order_id={order_id}"),)),
    "order-unknown": Outcome(404, (_refused("Order '{order_id}' not found", "not_found"),)),
    "orders": Outcome(200, (_stored("Orders for user {user}: {count} items"),)),
    "asset-transactions": Outcome(200, (_end("Asset transactions retrieved: asset={asset_id}"),)),
    "registration-malformed": Outcome(422, (_refused("Registration validation failed: username or email"),)),
    "registration-taken": Outcome(409, (_REGISTERING, _refused("Username already exists: {user}"))),
    "registration": Outcome(
        201,
        (
            _REGISTERING,
            _stored("User created successfully: username={user}, email={email}"),
            _end("User registered successfully: {user}"),
            _audited("INFO", "user_registration_success", "Security event: user_registration_success for user {user}"),
        ),
    ),
    "login-unknown-user": Outcome(
        401, (_LOGIN, _refused("User not found.: CNOPUserNotFoundException: User with username '{user}' not found"))
    ),
    "login-wrong-password": Outcome(
        401, (_LOGIN, Line("WARN", "auth_failed", "Invalid password for user: {user}", "database"))
    ),
    "login": Outcome(
        200,
        (
            _LOGIN,
            _audited("INFO", "auth_success", "Security event: auth_success for user {user}"),
            _end("User authenticated successfully: {user}", "user_login_success"),
        ),
    ),
    "deposit-malformed": Outcome(422, (_refused("Invalid deposit amount"),)),
    "deposit-beyond-limit": Outcome(422, (_refused("Invalid deposit amount: {amount}"),)),
    "deposit": Outcome(
        201,
        (
            Line("INFO", "deposit_success", "Deposit completed successfully: user={user}, amount={amount}", "database"),
            _end("Deposit successful for user {user}: {amount}", "request_end", "amount"),
        ),
    ),
    "withdrawal-malformed": Outcome(422, (_refused("Invalid withdrawal amount"),)),
    "withdrawal-beyond-balance": Outcome(422, (_refused("Invalid withdrawal amount: {amount}"),)),
    "withdrawal": Outcome(
        201,
        (
            _stored("Withdrawal successful: user={user}, amount={amount}"),
            _end("Withdrawal successful for user {user}: {amount}", "request_end", "amount"),
        ),
    ),
    "portfolio": Outcome(200, (_end("Portfolio retrieved", "portfolio_viewed"),)),
    "asset-balance": Outcome(200, (_end("Asset balance retrieved: {asset_id}"),)),
    "asset-balance-unknown": Outcome(404, (_refused("Asset '{asset_id}' not found", "not_found"),)),
    "profile": Outcome(200, (_end("Profile retrieved"),)),
    "logout": Outcome(200, (_end("Logged out"),)),
    "balance": Outcome(200, (_end("Balance retrieved"),)),
    "transactions": Outcome(200, (_end("Transactions retrieved"),)),
    "unhandled-error": Outcome(
        500, (Line("ERROR", "error", "Unexpected error during {what}: database operation failed"),)
    ),
    "cache-down": Outcome(
        200, (Line("ERROR", "error", "Redis operation error: timed out, reading from the database", "cache"),)
    ),
    "throttled": Outcome(
        200, (Line("WARN", "db_operation", "Request throttled by DynamoDB, retry 1 of 3", "database"),)
    ),
    "cache-missed": Outcome(200, (Line("DEBUG", "cache_operation", "Cache miss, reading from the database", "cache"),)),
}


class Words:
    """Tells outcomes with `log`."""

    def __init__(self, log: Log) -> None:
        self.log = log

    def __contains__(self, outcome: object) -> bool:
        """Whether there are words for it."""
        return outcome in OUTCOMES

    def __call__(self, outcome: str, request: Request, **values: object) -> int:
        """Write the lines of an outcome; returns its status."""
        known = values_of(request) | values
        for line in OUTCOMES[outcome].lines:
            self.log(
                line.level,
                line.action,
                line.message.format_map(known),
                logger=line.logger,
                user=str(known["user"]) if line.of_user else user_of(request),
                request_id=request_id_of(request),
                extra={name: known[name] for name in line.extra},
            )
        return OUTCOMES[outcome].status
