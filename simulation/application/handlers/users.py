"""user-service: registration, login, profile, money in and out, portfolio."""

from __future__ import annotations

import time

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulation.application import identity, market
from simulation.application.simulation import Handler, Simulation, json_object, number, user_of

DEPOSIT_LIMIT_USD = 10_000.0
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
        """Register a user, unless name or e-mail address are missing or the name is taken."""
        body = await json_object(request)
        user = str(body.get("username", ""))
        if not user or "@" not in str(body.get("email", "")):
            return self.simulation.answer(request, "registration-malformed")
        if user in self.registered:
            return self.simulation.answer(request, "registration-taken")
        self.registered.add(user)
        self.told.registered()
        self.saw(user)
        return self.simulation.answer(request, "registration")

    async def login(self, request: Request) -> Response:
        """Log a user in, with a token, unless there is no such user or the password is wrong."""
        body = await json_object(request)
        user = str(body.get("username", ""))
        if body.get("password") != identity.password_of(user):
            self.told.login_failed()
            return self.simulation.answer(
                request, "login-wrong-password" if identity.known(user) else "login-unknown-user"
            )
        self.told.login_succeeded()
        self.saw(user)
        return self.simulation.answer(request, "login", {"access_token": identity.token_of(user)})

    async def deposit(self, request: Request) -> Response:
        """Take a deposit, up to the limit."""
        amount = await _amount(request)
        if amount is None:
            return self.simulation.answer(request, "deposit-malformed")
        if amount > DEPOSIT_LIMIT_USD:
            return self.simulation.answer(request, "deposit-beyond-limit")
        self.told.deposited(amount)
        return self.simulation.answer(request, "deposit", {"amount": amount}, amount=amount)

    async def withdraw(self, request: Request) -> Response:
        """Pay out a withdrawal, up to the balance."""
        amount = await _amount(request)
        if amount is None:
            return self.simulation.answer(request, "withdrawal-malformed")
        if amount > market.BALANCE_USD:
            return self.simulation.answer(request, "withdrawal-beyond-balance")
        self.told.withdrew(amount)
        return self.simulation.answer(request, "withdrawal", {"amount": amount}, amount=amount)

    async def portfolio(self, request: Request) -> Response:
        """Return the value of the portfolio."""
        value = round(market.portfolio_value_usd(time.time()), 2)
        return self.simulation.answer(request, "portfolio", {"value_usd": value})

    async def asset_balance(self, request: Request) -> Response:
        """Return the balance of one asset, unless it is unknown."""
        asset = request.path_params["asset_id"]
        if asset not in market.ASSETS:
            return self.simulation.answer(request, "asset-balance-unknown")
        return self.simulation.answer(request, "asset-balance", {"asset_id": asset, "quantity": 1.0})

    def acknowledging(self, outcome: str) -> Handler:
        """Return the handler of requests whose content matters to nobody here."""

        async def acknowledge(request: Request) -> Response:
            return self.simulation.answer(request, outcome, {})

        return acknowledge

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


async def _amount(request: Request) -> float | None:
    """The amount that a request names, in US dollars; None if that is none above 0."""
    amount = number((await json_object(request)).get("amount"))
    return round(amount, 2) if amount is not None and amount > 0 else None


def routes(simulation: Simulation) -> list[Route]:
    """Return the routes."""
    desk = UserDesk(simulation)
    public = [
        ("POST", "/auth/register", desk.register, "registration-store-failing"),
        ("POST", "/auth/login", desk.login, "login-store-failing"),
    ]
    private = [
        ("GET", "/auth/profile", desk.acknowledging("profile")),
        ("POST", "/auth/logout", desk.acknowledging("logout")),
        ("GET", "/balance", desk.acknowledging("balance")),
        ("POST", "/balance/deposit", desk.deposit),
        ("POST", "/balance/withdraw", desk.withdraw),
        ("GET", "/balance/transactions", desk.acknowledging("transactions")),
        ("GET", "/balance/asset/{asset_id}", desk.asset_balance),
        ("GET", "/portfolio", desk.portfolio),
    ]
    return [
        *(simulation.route(*route) for route in public),
        *(
            simulation.route(method, path, desk.noting(handler), "request-store-failing")
            for method, path, handler in private
        ),
    ]
