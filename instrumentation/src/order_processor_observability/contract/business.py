"""Are a service's business metrics, as far as it has any, those of the contract?"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import Metric

from order_processor_observability.contract.finding import Finding, misshapen, some

_OTHER = "other"
_FAMILIES: dict[str, tuple[str, set[str]]] = {
    "business_orders": ("counter", {"event", "side", "asset"}),
    "business_order_value_usd": ("counter", {"event", "side", "asset"}),
    "business_registrations": ("counter", set()),
    "business_logins": ("counter", {"result"}),
    "business_transactions": ("counter", {"type"}),
    "business_transaction_value_usd": ("counter", {"type"}),
    "business_active_users": ("gauge", set()),
    "business_portfolio_value_usd": ("gauge", set()),
    "business_portfolio_pnl_usd": ("gauge", set()),
    "business_asset_balance": ("gauge", {"asset"}),
    "business_asset_price_usd": ("gauge", {"asset"}),
    "business_unexpected_labels": ("counter", {"label"}),
}
_VALUES = {
    "event": {"created", "executed", "cancelled", "rejected"},
    "side": {"buy", "sell", _OTHER},
    "result": {"ok", "failed"},
    "type": {"deposit", "withdrawal"},
    "label": {"asset", "side", "value"},
}


def business(families: dict[str, Metric]) -> Iterator[Finding]:
    """Findings about those business families that are exposed; which ones a service owes, only its owner knows."""
    for name, (kind, labels) in _FAMILIES.items():
        family = families.get(name) or families.get(f"{name}_total")  # of a counter that is none
        if family is None or not family.samples:
            continue
        what = f"{name} is a {kind} with {', '.join(sorted(labels)) or 'no labels'}"
        yield Finding("business", what, misshapen(family, kind, labels))
        unexpected = sorted(
            {
                f'{label}="{value}"'
                for sample in family.samples
                for label, value in sample.labels.items()
                if value not in _VALUES.get(label, {value})
            }
        )
        wrong = f"{some(unexpected)}; fold what is unexpected into {_OTHER!r}" if unexpected else None
        yield Finding("business", f"{name} has the known values of labels", wrong)
