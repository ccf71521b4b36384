"""Are the services' objectives met, and how fast is the error budget spent?"""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from dashboards import board
from dashboards.board import Row
from dashboards.panels import Query, above, bars, below, timeseries, to_logs, to_service
from dashboards.promql import series
from dashboards.system_health.selectors import ALARM, MARKED, SERVICE, named
from facts import BURN_RATES

BUDGET_MEANS = "1 minus the objective is what may fail within 14 days; availability counts 5xx, latency slow answers."

_AVAILABILITY = f"""(
  1
    -
  sum_over_time({series("service:sli_errors:increase3m", SERVICE, sli="availability")}[$__range])
    /
  (sum_over_time({series("service:sli_events:increase3m", SERVICE, sli="availability")}[$__range]) > 0)
)"""


def row() -> Row:
    """Availability, what is left of the error budget, and the burn rates of the alerts."""
    return board.row(
        "Availability and error budget",
        bars(
            "Availability",
            Query(
                named(_AVAILABILITY, "service"),
                "{{name}}",
            ),
            Query(
                named(f"(1 - {series('service:http_errors:ratio_rate5m', SERVICE)})", "service"), "{{name}}, last 5 min"
            ),
            shows="Share of requests in the chosen time range that did not fail with 5xx; those turned away (401, "
            "403, 429) do not count. Target: 99.9 %. It is updated every 3 minutes, so a new outage shows up to 3 "
            "minutes late: the bars of the last 5 minutes, below, show it at once. " + MARKED,
            wrong="See in the error rate below when they failed, and in Service detail which endpoints.",
            unit=units.PercentUnit,
            decimals=3,
            limits=below(0.999, 0.99),
            alarm=ALARM,
            maximum=1,
            drill=to_service(),
            height=11,
        ),
        bars(
            "Error budget left",
            Query(named(series("service:slo_error_budget_remaining:ratio", SERVICE), "service", "sli"), "{{name}}"),
            shows="What is left of the error budget of the last 14 days; below 0 the objective is missed. "
            f"{BUDGET_MEANS} Updated every 3 minutes. {MARKED}",
            wrong="Little left: put off risky releases and fix what fails first. Without a fast burn beside it, this "
            "can wait until working hours.",
            unit=units.PercentUnit,
            decimals=1,
            limits=below(0.25, 0),
            alarm=ALARM,
            maximum=1,
            drill=to_service(),
        ),
        timeseries(
            "Error budget left over time",
            Query(series("service:slo_error_budget_remaining:ratio", SERVICE), "{{service}} {{sli}}"),
            shows="The error budget left at each moment. It recovers as failures become older than 14 days. "
            f"{BUDGET_MEANS}",
            wrong="A step down is one outage, a slope a defect that is still there: see the burn rates.",
            unit=units.PercentUnit,
            limits=below(0.25, 0),
            drill=to_service(),
        ),
        *(
            timeseries(
                f"Burn rate over {window}",
                Query(series(f"service:slo_burn_rate:{record}", SERVICE), "{{service}} {{sli}}"),
                shows=f"How fast the last {window} spent the error budget: 1 spends it in exactly 14 days. "
                f"Above {critical} {consequence}.",
                wrong=wrong,
                unit=units.Short,
                limits=above(1, critical),
                drill=[*to_service(), *to_logs()],
            )
            for window, record, critical, consequence, wrong in (
                (
                    "30 minutes",
                    "ratio_rate30m",
                    BURN_RATES["30m"],
                    "on-call is paged if this is sustained",
                    "Act now: roll back what was deployed last, or find the failing endpoints in Service detail.",
                ),
                (
                    "3 hours",
                    "ratio_rate3h",
                    BURN_RATES["3h"],
                    "on-call is paged if this is sustained",
                    "A slower fault, or one that is over: the rate over 30 minutes says which.",
                ),
                (
                    "12 hours",
                    "ratio_increase12h",
                    BURN_RATES["12h"],
                    "a warning is sent if this is sustained",
                    "Something fails a little all day: look for it in working hours, before the budget is gone.",
                ),
            )
        ),
    )
