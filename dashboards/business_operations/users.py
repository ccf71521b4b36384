"""Do users register, log in and come?"""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from dashboards.board import Row
from dashboards.business_operations.selectors import COUNTED, CUSTOMER, business_row, event_counter
from dashboards.panels import NEUTRAL, Query, below, stat, timeseries
from dashboards.promql import growth, series


def row() -> Row:
    """Registrations, logins and active users."""
    registrations = event_counter("registration")
    logins = {"ok": event_counter("login_succeeded"), "failed": event_counter("login_failed")}
    active = f"max({series('business_active_users', CUSTOMER)})"
    return business_row(
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
            Query(f"{growth(logins['ok'])}\n/\n({growth(event_counter('login_.+'))} > 0)", "ok"),
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
