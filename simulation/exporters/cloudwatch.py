"""Stand-in for the CloudWatch exporter (YACE with snake-case labels): its names and labels; invented, healthy numbers.

It serves what the program asks the exporter for and no more, so a panel cannot live on a series nobody asked for.
Where nothing is wrong it shows zero; of DynamoDB's errors and throttling the real one then shows no series at all.
No AWS account is asked. It proves that rules and panels find the exporter's series, not that the account would
deliver them, how late they arrive there, or what they cost.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from simulation.exporters.exposition import Family, Sample
from simulation.exporters.shapes import total, wave

REGION = "us-west-2"
ACCOUNT = "123456789012"
TABLES = tuple(f"order-processor-dev-{table}" for table in ("users", "orders", "inventory"))
OPERATIONS = ("GetItem", "PutItem", "UpdateItem", "Query", "Scan")
CLUSTER = "order-processor-dev-cluster"
LOAD_BALANCER = "net/op-dev-api-lb/0123456789abcdef"
CACHE = "order-processor-dev-redis-001"

PERIOD_SECONDS = 300
"""CloudWatch's period: values change once in it, and a `_sum` is the sum over one of them."""

_GLOBAL = ("name", "region", "account_id")
_INFO_HELP = "Help is not implemented yet."

Rows = tuple[tuple[str, float], ...]
"""Series without their prefix, and the mean of one period's value."""

_TABLE: Rows = (
    ("consumed_read_capacity_units_sum", 420),
    ("consumed_write_capacity_units_sum", 130),
    ("read_throttle_events_sum", 0),
    ("write_throttle_events_sum", 0),
)
_TABLE_OPERATION: Rows = (
    ("successful_request_latency_average", 4.2),  # milliseconds
    ("successful_request_latency_sample_count", 210),
    ("throttled_requests_sum", 0),
    ("system_errors_sum", 0),
)
_CLUSTER: Rows = (
    ("apiserver_request_total_sum", 5400),
    ("apiserver_request_total_5_xx_sum", 0),
    ("apiserver_request_duration_seconds_get_p99_average", 0.03),
    ("apiserver_storage_size_bytes_maximum", 48_000_000),
)
_LOAD_BALANCER: Rows = (
    ("active_flow_count_average", 24),
    ("processed_bytes_sum", 31_000_000),
    ("tcp_elb_reset_count_sum", 0),
    ("tcp_target_reset_count_sum", 3),
)
_CACHE: Rows = (
    ("cpuutilization_average", 6),  # per cent, like the next two
    ("engine_cpuutilization_average", 3),
    ("database_memory_usage_percentage_average", 21),
    ("curr_connections_average", 18),
    ("evictions_sum", 0),
)
_DOLLARS_A_DAY = {
    "AmazonEKS": 2.4,
    "AmazonEC2": 1.0,
    "AWSELB": 0.6,
    "AmazonElastiCache": 0.4,
    "AmazonDynamoDB": 0.1,
    "AmazonCloudWatch": 0.3,
    "AWSDataTransfer": 0.2,
}
# The exporter's own calls: name of the API, calls a second.
_CALLS = {"GetMetricData": 0.02, "ListMetrics": 0.09, "GetMetricStatistics": 0.01, "GetResources": 0.01}

Resource = tuple[str, ...]
"""A resource's ARN and its dimension values."""


def _arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


_TABLE_ARNS = {table: _arn("dynamodb", f"table/{table}") for table in TABLES}
_LOAD_BALANCER_ARN = _arn("elasticloadbalancing", f"loadbalancer/{LOAD_BALANCER}")

# Prefix of the series, dimensions, resources, rows: what has the same dimensions belongs together.
_GROUPS: tuple[tuple[str, tuple[str, ...], tuple[Resource, ...], Rows], ...] = (
    ("dynamodb", ("table_name",), tuple((arn, table) for table, arn in _TABLE_ARNS.items()), _TABLE),
    (
        "dynamodb",
        ("table_name", "operation"),
        tuple((arn, table, operation) for table, arn in _TABLE_ARNS.items() for operation in OPERATIONS),
        _TABLE_OPERATION,
    ),
    ("eks", ("cluster_name",), ((_arn("eks", f"cluster/{CLUSTER}"), CLUSTER),), _CLUSTER),
    ("networkelb", ("load_balancer",), ((_LOAD_BALANCER_ARN, LOAD_BALANCER),), _LOAD_BALANCER),
    ("elasticache", ("cache_cluster_id",), ((_arn("elasticache", f"cluster:{CACHE}"), CACHE),), _CACHE),
)


def families(now: float) -> Iterator[Family]:
    """Return what a scrape at Unix time `now` sees."""
    period = now // PERIOD_SECONDS * PERIOD_SECONDS
    for prefix, dimensions, resources, rows in _GROUPS:
        for series, mean in rows:
            yield _measured(f"aws_{prefix}_{series}", dimensions, resources, mean, period)
    yield _billing(period)
    yield from _own_calls(now)


def _measured(
    series: str, dimensions: tuple[str, ...], resources: tuple[Resource, ...], mean: float, period: float
) -> Family:
    labels = (*_GLOBAL, *(f"dimension_{name}" for name in dimensions))
    samples = tuple(
        ((arn, REGION, ACCOUNT, *values), wave(period, mean, series + "".join(values))) for arn, *values in resources
    )
    return Family(series, "gauge", _INFO_HELP, labels, samples)


def _billing(now: float) -> Family:
    """Return the month's charges so far in dollars, by service and in total, as AWS reports them (us-east-1 only)."""
    today = datetime.fromtimestamp(now, UTC)
    days = today.day - 1 + today.hour / 24
    labels = (*_GLOBAL, "dimension_currency", "dimension_service_name")
    charges = {service: round(dollars * days, 2) for service, dollars in _DOLLARS_A_DAY.items()}
    samples: list[Sample] = [
        (("global", "us-east-1", ACCOUNT, "USD", service), amount) for service, amount in charges.items()
    ]
    samples.append((("billing-total", "us-east-1", ACCOUNT, "USD", ""), sum(charges.values())))
    return Family("aws_billing_estimated_charges_maximum", "gauge", _INFO_HELP, labels, tuple(samples))


def _own_calls(now: float) -> Iterator[Family]:
    label = ("api_name",)
    calls = tuple(((name,), total(now, rate, name)) for name, rate in _CALLS.items())
    errors = tuple(((name,), 0.0) for name in _CALLS)
    text = "Number of calls made to the CloudWatch APIs"
    yield Family("yace_cloudwatch_requests_total", "counter", text, label, calls)
    yield Family("yace_cloudwatch_request_errors", "counter", _INFO_HELP, label, errors)
