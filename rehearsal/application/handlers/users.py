"""user-service: registration, login, profile, money in and out, portfolio."""

from __future__ import annotations

import time
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rehearsal.application import identity, market
from rehearsal.application.simulation import Handler, Simulation, client_of, json_object, number, user_of

AMOUNT_LIMIT_USD = 10_000.0  # of one deposit or withdrawal
ACTIVE_SECONDS = 300  # a user counts as active for this long after the last request


class UserDesk:
    """The user service's handlers and their memory."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.told = simulation.business.users
        self.registered: set[str] = set()
        self.seen: dict[str, float] = {}
        simulation.before_scrape(self.tell_levels)

    async def register(self, request: Request) -> Response:
        """Register a user: 201, 422 without a name or an e-mail address, 409 for a name already taken."""
        body = await json_object(request)
        user, email = str(body.get("username", "")), str(body.get("email", ""))
        attempt = f"Register attempt from {client_of(request)} for username: {user}, email: {email}"
        self.simulation.start(request, attempt)
        if not user or "@" not in email:
            return self.simulation.refuse(request, 422, "Registration validation failed: username or email")
        if user in self.registered:
            return self.simulation.refuse(request, 409, f"Username already exists: {user}")
        self.registered.add(user)
        self.told.registered()
        self.saw(user)
        self.simulation.stored(f"User created successfully: username={user}, email={email}")
        self.simulation.end(request, f"User registered: {user}", "user_registration_success")
        return JSONResponse({"message": "registered"}, status_code=201)

    async def login(self, request: Request) -> Response:
        """Log a user in: 200 with a token, 401 for a wrong password."""
        body = await json_object(request)
        user = str(body.get("username", ""))
        self.simulation.start(request, f"Login attempt for: {user}")
        seen = {"ip_address": client_of(request), "user_agent": request.headers.get("user-agent", "")}
        if body.get("password") != identity.password_of(user):
            self.told.login_failed()
            message = f"Security warning: auth_failed for user {user}"
            self.simulation.log("WARN", "auth_failed", message, logger="audit", user=user, extra=seen)
            return self.simulation.refuse(request, 401, f"Authentication failed for: {user}", "auth_failed")
        self.told.login_succeeded()
        self.saw(user)
        message = f"Security event: auth_success for user {user}"
        self.simulation.log("INFO", "auth_success", message, logger="audit", user=user, extra=seen)
        self.simulation.end(request, f"User authenticated successfully: {user}", "user_login_success")
        return JSONResponse({"data": {"access_token": identity.token_of(user)}})

    async def deposit(self, request: Request) -> Response:
        """Take a deposit."""
        return await self._transact(request, "deposit", self.told.deposited)

    async def withdraw(self, request: Request) -> Response:
        """Pay out a withdrawal."""
        return await self._transact(request, "withdrawal", self.told.withdrew)

    async def portfolio(self, request: Request) -> Response:
        """Return the value of the portfolio."""
        self.simulation.end(request, "Portfolio retrieved", "portfolio_viewed")
        return JSONResponse({"data": {"value_usd": round(market.portfolio_value_usd(time.time()), 2)}})

    async def asset_balance(self, request: Request) -> Response:
        """Return the balance of one asset: 200, or 404 for an unknown asset."""
        asset = request.path_params["asset_id"]
        if asset not in market.ASSETS:
            return self.simulation.refuse(request, 404, f"Asset '{asset}' not found", "not_found")
        self.simulation.end(request, f"Asset balance retrieved: {asset}")
        return JSONResponse({"data": {"asset_id": asset, "quantity": 1.0}})

    async def acknowledge(self, request: Request) -> Response:
        """Answer the requests whose content matters to nobody here."""
        self.simulation.end(request, f"{request.method} {request.url.path} done")
        return JSONResponse({"data": {}})

    async def _transact(self, request: Request, kind: str, tell: Callable[[float], None]) -> Response:
        amount = number((await json_object(request)).get("amount"))
        if amount is None or not 0 < amount <= AMOUNT_LIMIT_USD:
            return self.simulation.refuse(request, 422, f"Invalid {kind} amount: {amount}")
        amount = round(amount, 2)
        tell(amount)
        self.simulation.stored(f"Transaction created: user={user_of(request)}, type={kind}, amount={amount}")
        self.simulation.end(request, f"{kind.capitalize()} of {amount} USD", f"{kind}_success", amount=amount)
        return JSONResponse({"data": {"amount": amount}}, status_code=201)

    def noting(self, handler: Handler) -> Handler:
        """Return the handler of a request that makes its user count as active."""

        async def noted(request: Request) -> Response:
            self.saw(user_of(request) or "anonymous")
            return await handler(request)

        return noted

    def saw(self, user: str) -> None:
        """Note that a user did something now."""
        self.seen[user] = time.monotonic()

    def tell_levels(self) -> None:
        """Tell how many users are active, forgetting the others, and what all of them hold."""
        since, now = time.monotonic() - ACTIVE_SECONDS, time.time()
        self.seen = {user: seen for user, seen in self.seen.items() if seen >= since}
        self.told.active(len(self.seen))
        portfolio = self.simulation.business.portfolio
        portfolio.value(market.portfolio_value_usd(now))
        portfolio.pnl(market.portfolio_pnl_usd(now))
        for asset in market.ASSETS:
            portfolio.balance(asset, market.holding(asset, now))


def routes(simulation: Simulation) -> list[Route]:
    """Return the routes."""
    desk = UserDesk(simulation)
    public = [("POST", "/auth/register", desk.register), ("POST", "/auth/login", desk.login)]
    private = [
        ("GET", "/auth/profile", desk.acknowledge),
        ("POST", "/auth/logout", desk.acknowledge),
        ("GET", "/balance", desk.acknowledge),
        ("POST", "/balance/deposit", desk.deposit),
        ("POST", "/balance/withdraw", desk.withdraw),
        ("GET", "/balance/transactions", desk.acknowledge),
        ("GET", "/balance/asset/{asset_id}", desk.asset_balance),
        ("GET", "/portfolio", desk.portfolio),
    ]
    return [
        *(simulation.route(method, path, handler) for method, path, handler in public),
        *(simulation.route(method, path, desk.noting(handler)) for method, path, handler in private),
    ]
