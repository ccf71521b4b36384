"""Business Operations: are customers coming, trading and served, and what are their portfolios worth?"""

from __future__ import annotations

import re

from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Dashboard

from catalogue import Catalogue
from dashboards import board
from dashboards.board import Row
from dashboards.panels import NEUTRAL, Limits, Query, above, bars, below, stat, table, timeseries, where_there_is
from dashboards.promql import at_start, growth, series
from dashboards.stack import EVERYTHING, Stack

ASSET = 'namespace=~"$namespace", asset=~"$asset"'
CUSTOMER = 'namespace=~"$namespace"'

EVENTS = ("created", "executed", "cancelled", "rejected")
EVENT_COLOURS = {"created": "blue", "executed": "green", "cancelled": "orange", "rejected": "red"}
OF_THE_PACKAGE = re.compile("(?<!:)business_")
"""Series that a service exports with the package alone."""
SIDE_COLOURS = {"buy": "green", "sell": "red"}

COUNTED = "Counted up to the last scrape, so up to half a minute late."
BY_LINES = "Where the services do not use the instrumentation package, log lines are counted"

GAIN_OR_LOSS: Limits = [(None, "red"), (0, "green")]


def build(catalogue: Catalogue, stack: Stack = EVERYTHING) -> Dashboard:
    """The dashboard; the catalogue gives the application's namespace.

    Totals of the whole business (portfolio, balances, active users) are gauges that every instance reports alike, so
    the highest is taken; events are counted where they happen, so they are summed.
    """
    del stack  # it shows the same whatever a stack has
    return board.dashboard(
        "business-operations",
        "Business Operations",
        "Trading, user activity, money in and out, portfolio performance and asset prices of the order processor. "
        "Services with the instrumentation package report these as metrics. Without it, log lines are counted, "
        "which contain orders, logins, registrations and transactions, but neither amounts nor assets.",
        variables=[
            board.datasource(),
            board.choice(
                "namespace",
                "Namespace",
                "label_values(pod:business_events:sum, namespace)",
                catalogue.namespace,
            ),
            board.choice("asset", "Asset", "label_values(business_asset_price_usd, asset)"),
        ],
        rows=[_trading(), _users(), _money(), _portfolio(), _assets()],
        since="now-6h",
        annotated='severity="critical"',
    )


def _event(event: str, bound: str = CUSTOMER) -> str:
    """The counters of one kind of event; a pattern names several."""
    operator = "=" if event.replace("_", "").isalpha() else "=~"
    return series("pod:business_events:sum", bound, f'event{operator}"{event}"')


def _order(event: str) -> str:
    # What lines tell has no asset, and counts whichever is chosen.
    return _event(f"order_{event}", 'namespace=~"$namespace", asset=~"$asset|"')


def _row(title: str, *panels: model.Panel) -> Row:
    """A row, whose panels of amounts, assets and levels say what they need where they have no data."""
    needing = [panel for panel in panels if any(map(OF_THE_PACKAGE.search, _expressions(panel)))]
    where_there_is("the instrumentation package (setting instrumentedServices)", *needing)
    return board.row(title, *panels)


def _expressions(panel: model.Panel) -> list[str]:
    return [getattr(target, "expr", "") for target in panel.targets or []]


def _trading() -> Row:
    return _row(
        "Trading volume and orders",
        stat(
            "Orders",
            *(Query(growth(_order(event)), event) for event in EVENTS),
            shows=f"Orders created, executed, cancelled and rejected in the chosen time range. {COUNTED} {BY_LINES}: "
            "they contain no cancellations and no asset, so all count whichever asset is chosen.",
            wrong="Many rejected: look for validation errors in order-service's logs. None created: is the gateway up?",
            unit=units.LocaleFormat,
            decimals=0,
            limits=NEUTRAL,
            colours=EVENT_COLOURS,
            width=12,
            height=5,
        ),
        stat(
            "Trading volume",
            Query(growth(_value("executed")), "executed"),
            shows=f"Value of the orders executed in the chosen time range. {COUNTED}",
            wrong="Lower than orders suggest: one asset may have stopped trading, see the orders by asset.",
            unit=units.Dollars,
            limits=NEUTRAL,
            width=6,
            height=5,
        ),
        stat(
            "Order success rate",
            Query(f"{growth(_order('executed'))}\n/\n({growth(_order('(executed|rejected)'))} > 0)", "executed"),
            shows="Share of decided orders, executed or rejected, that were executed. Target: above 99 %. "
            "Requests that failed decided nothing, so an outage does not show here.",
            wrong="See which asset and side is rejected, then order-service's error logs.",
            unit=units.PercentUnit,
            decimals=2,
            limits=below(0.99, 0.95),
            width=6,
            height=5,
        ),
        timeseries(
            "Orders per minute",
            *(Query(f"60 * sum(rate({_order(event)}[$__rate_interval]))", event) for event in EVENTS),
            shows="Orders created, executed, cancelled and rejected per minute.",
            wrong="Created without executed: orders are stuck, see order-service in Service detail.",
            unit=units.EventsPerMinute,
            colours=EVENT_COLOURS,
        ),
        timeseries(
            "Executed orders by side",
            Query(f"60 * sum by (side) (rate({_orders('executed')}[$__rate_interval]))", "{{side}}"),
            shows="Buy and sell orders executed per minute.",
            wrong="One side at zero points at a rule or a balance check that refuses it.",
            unit=units.EventsPerMinute,
            colours=SIDE_COLOURS,
        ),
        timeseries(
            "Executed orders by asset",
            Query(f"60 * sum by (asset) (rate({_orders('executed')}[$__rate_interval]))", "{{asset}}"),
            shows="Orders executed per minute for each asset.",
            wrong="One asset at zero: check its price below and inventory-service.",
            unit=units.EventsPerMinute,
            stacked=True,
        ),
        table(
            "Orders by side",
            *_statistics("side"),
            by=["side"],
            units={"Volume": units.Dollars},
            shows="Buy and sell orders of the chosen time range by outcome, and the value of the executed ones. "
            f"{COUNTED}",
            wrong="One side rejected far more often: a balance check, or customers without money or holdings.",
            unit=units.LocaleFormat,
            decimals=0,
            width=12,
            height=5,
        ),
        table(
            "Orders by asset",
            *_statistics("asset"),
            by=["asset"],
            units={"Volume": units.Dollars},
            shows="Each asset's orders of the chosen time range by outcome, and the value of the executed ones. "
            f"{COUNTED}",
            wrong="An asset with orders created and none executed: check its price below and inventory-service.",
            unit=units.LocaleFormat,
            decimals=0,
            width=12,
            height=5,
        ),
        timeseries(
            "Trading volume by side",
            Query(f"60 * sum by (side) (rate({_value('executed')}[$__rate_interval]))", "{{side}}"),
            shows="Value of the buy and sell orders executed, in USD per minute.",
            wrong="A spike without more orders is one large order: check its price for an error.",
            unit=units.Dollars,
            colours=SIDE_COLOURS,
        ),
        timeseries(
            "Trading volume by asset",
            Query(f"60 * sum by (asset) (rate({_value('executed')}[$__rate_interval]))", "{{asset}}"),
            shows="Value of the orders executed for each asset, in USD per minute.",
            wrong="Compare with the asset's price: volume that follows a false price must be reversed.",
            unit=units.Dollars,
            stacked=True,
        ),
        bars(
            "Rejected orders",
            Query(f"sort_desc({growth(_orders('rejected'), 'asset, side')})", "{{asset}} {{side}}"),
            shows=f"Orders rejected in the chosen time range, by asset and side. {COUNTED}",
            wrong="One asset: its balance or price. All of them: the order service or its table.",
            unit=units.LocaleFormat,
            decimals=0,
            limits=above(1, 100),
        ),
    )


def _orders(event: str) -> str:
    return series("business_orders_total", ASSET, event=event)


def _value(event: str) -> str:
    return series("business_order_value_usd_total", ASSET, event=event)


def _statistics(label: str) -> list[Query]:
    return [
        *(Query(growth(_orders(event), label), event.capitalize()) for event in EVENTS),
        Query(growth(_value("executed"), label), "Volume"),
    ]


def _users() -> Row:
    registrations = _event("registration")
    logins = {"ok": _event("login_succeeded"), "failed": _event("login_failed")}
    active = f"max({series('business_active_users', CUSTOMER)})"
    return _row(
        "User registration and activity",
        stat(
            "Registrations",
            Query(growth(registrations), "registered"),
            shows=f"Users registered in the chosen time range. {COUNTED}",
            wrong="None for long: try to register yourself, then read user-service's error logs.",
            unit=units.LocaleFormat,
            decimals=0,
            limits=NEUTRAL,
            width=6,
            height=5,
        ),
        stat(
            "Logins",
            *(Query(growth(counter), result) for result, counter in logins.items()),
            shows=f"Logins in the chosen time range, by result. {COUNTED}",
            wrong="Failed logins far above the usual: password guessing, or a change of the password check.",
            unit=units.LocaleFormat,
            decimals=0,
            limits=NEUTRAL,
            colours={"ok": "green", "failed": "orange"},
            width=6,
            height=5,
        ),
        stat(
            "Login success rate",
            Query(f"{growth(logins['ok'])}\n/\n({growth(_event('login_.+'))} > 0)", "ok"),
            shows="Share of logins that succeeded. Target: above 98 %.",
            wrong="Below target for all users: auth-service or the users' table. For a few: look for an attack.",
            unit=units.PercentUnit,
            decimals=2,
            limits=below(0.98, 0.9),
            width=6,
            height=5,
        ),
        stat(
            "Active users",
            Query(active, "active"),
            shows="Users with a request in the last 5 minutes.",
            wrong="A sudden fall with the services up: can users reach the gateway and log in?",
            unit=units.LocaleFormat,
            decimals=0,
            limits=NEUTRAL,
            width=6,
            height=5,
        ),
        timeseries(
            "Registrations and logins per hour",
            Query(f"3600 * sum(rate({registrations}[$__rate_interval]))", "registrations"),
            *(
                Query(f"3600 * sum(rate({counter}[$__rate_interval]))", f"logins {result}")
                for result, counter in logins.items()
            ),
            shows="Registrations, and logins by result, at their current rate per hour.",
            wrong="Failed logins above successful ones: see the login success rate.",
            unit=units.Short,
            colours={"registrations": "blue", "logins ok": "green", "logins failed": "orange"},
            width=12,
        ),
        timeseries(
            "Active users over time",
            Query(active, "active users"),
            shows="Users with a request in the 5 minutes before each moment.",
            wrong="Compare with the same hour of yesterday; a step down marks an outage that the services did not see.",
            unit=units.Short,
            width=12,
        ),
    )


def _money() -> Row:
    transactions = {kind: _event(kind) for kind in ("deposit", "withdrawal")}
    value = series("business_transaction_value_usd_total", CUSTOMER)
    return _row(
        "Deposits and withdrawals",
        stat(
            "Transactions",
            *(Query(growth(counter), kind) for kind, counter in transactions.items()),
            shows=f"Deposits and withdrawals in the chosen time range. {COUNTED}",
            wrong="None of one kind while customers trade: try one yourself, then read user-service's error logs.",
            unit=units.LocaleFormat,
            decimals=0,
            limits=NEUTRAL,
            height=6,
        ),
        stat(
            "Transaction value",
            Query(growth(value, "type"), "{{type}}"),
            shows=f"Value of deposits and withdrawals in the chosen time range. {COUNTED}",
            wrong="A sum out of proportion to the number of transactions is one large one: look it up in the logs.",
            unit=units.Dollars,
            limits=NEUTRAL,
            height=6,
        ),
        stat(
            "Net deposits",
            Query(
                growth(series("business_transaction_value_usd_total", CUSTOMER, type="deposit"))
                + "\n-\n"
                + growth(series("business_transaction_value_usd_total", CUSTOMER, type="withdrawal")),
                "net",
            ),
            shows="Deposits minus withdrawals in the chosen time range: money that came in (green) or left (red).",
            wrong="Much money leaving: see who withdraws, in user-service's logs, and whether something scared them.",
            unit=units.Dollars,
            limits=GAIN_OR_LOSS,
            height=6,
        ),
        timeseries(
            "Transactions per minute",
            *(Query(f"60 * sum(rate({counter}[$__rate_interval]))", kind) for kind, counter in transactions.items()),
            shows="Deposits and withdrawals per minute.",
            wrong="Withdrawals far above deposits: check for an abuse or a loss of trust before anything else.",
            unit=units.EventsPerMinute,
            width=12,
        ),
        timeseries(
            "Transaction value per minute",
            Query(f"60 * sum by (type) (rate({value}[$__rate_interval]))", "{{type}}"),
            shows="Value of deposits and withdrawals, in USD per minute.",
            wrong="A spike of withdrawals: see who and why in user-service's logs.",
            unit=units.Dollars,
            width=12,
        ),
    )


def _portfolio() -> Row:
    value = f"max({series('business_portfolio_value_usd', CUSTOMER)})"
    pnl = f"max({series('business_portfolio_pnl_usd', CUSTOMER)})"
    return _row(
        "Portfolio performance",
        stat(
            "Portfolio value",
            Query(value, "value"),
            shows="What all customers' holdings are worth now.",
            wrong="A step that no price explains is wrong data: compare with the balances and prices below.",
            unit=units.Dollars,
            limits=NEUTRAL,
            height=5,
        ),
        stat(
            "Profit and loss",
            Query(pnl, "profit and loss"),
            shows="What the holdings have gained (green) or lost (red) since they were bought.",
            wrong="Must move with the prices; if it does not, portfolios are no longer computed: see user-service.",
            unit=units.Dollars,
            limits=GAIN_OR_LOSS,
            height=5,
        ),
        stat(
            "Return on cost",
            Query(f"{pnl} / ({value} - {pnl} > 0)", "return"),
            shows="Profit and loss as a share of what the holdings cost.",
            wrong="See profit and loss.",
            unit=units.PercentUnit,
            limits=GAIN_OR_LOSS,
            height=5,
        ),
        timeseries(
            "Portfolio value over time",
            Query(value, "value"),
            shows="What all customers' holdings were worth at each moment.",
            wrong="A gap means that no instance reported it: is user-service up?",
            unit=units.Dollars,
            width=12,
        ),
        timeseries(
            "Profit and loss over time",
            Query(pnl, "profit and loss"),
            shows="What the holdings had gained or lost at each moment since they were bought.",
            wrong="A step at constant prices is a booking: compare with trading volume.",
            unit=units.Dollars,
            signed=True,
            width=12,
        ),
    )


def _assets() -> Row:
    price = f"max by (asset) ({series('business_asset_price_usd', ASSET)})"
    price_before = at_start(series("business_asset_price_usd", ASSET), "asset")
    balance = f"max by (asset) ({series('business_asset_balance', ASSET)})"
    balance_before = at_start(series("business_asset_balance", ASSET), "asset")
    return _row(
        "Asset prices and balances",
        table(
            "Assets",
            Query(price, "Price"),
            Query(f"{price} / {price_before} - 1", "Change"),
            Query(balance, "Balance"),
            Query(f"{balance} * {price}", "Value"),
            by=["asset"],
            units={"Change": units.PercentUnit, "Balance": units.Short},
            order=[("Value", True)],
            shows="Each asset now: its price, the price's change over the chosen time range, the balance that all "
            "customers hold and its value.",
            wrong="An asset without a price cannot be traded: check inventory-service and its price source.",
            unit=units.Dollars,
            width=12,
        ),
        timeseries(
            "Asset prices",
            Query(price, "{{asset}}"),
            shows="Price of each asset. The axis is logarithmic, so that cheap and expensive assets are both visible.",
            wrong="A flat line is a price that is no longer updated; a jump to zero stops trading in it.",
            unit=units.Dollars,
            log_scale=True,
            width=12,
        ),
        timeseries(
            "Asset price change",
            Query(f"{price} / {price_before} - 1", "{{asset}}"),
            shows="Each asset's price against its price at the start of the chosen time range.",
            wrong="One asset apart from all the others: check its price against another source.",
            unit=units.PercentUnit,
            signed=True,
            soft_max=0.01,
            width=12,
        ),
        timeseries(
            "Asset balances",
            Query(balance, "{{asset}}"),
            shows="Amount of each asset that all customers hold, in units of the asset, on a logarithmic axis.",
            wrong="Must change only with executed orders, deposits and withdrawals; otherwise data is wrong.",
            unit=units.Short,
            log_scale=True,
            width=12,
        ),
        timeseries(
            "Asset balance change",
            Query(f"{balance} / ({balance_before} > 0) - 1", "{{asset}}"),
            shows="Each balance against its balance at the start of the chosen time range.",
            wrong="A fall without sell orders or withdrawals is a loss of data or money: act at once.",
            unit=units.PercentUnit,
            signed=True,
            soft_max=0.01,
            width=12,
        ),
        timeseries(
            "Asset balance value",
            Query(f"{balance} * {price}", "{{asset}}"),
            shows="What the balance of each asset is worth, at the price of the moment.",
            wrong="The sum must follow the portfolio value above.",
            unit=units.Dollars,
            stacked=True,
            width=12,
        ),
    )
