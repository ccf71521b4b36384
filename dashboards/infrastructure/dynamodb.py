"""What do the DynamoDB tables use, how quickly do they answer, and what do they refuse?"""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from dashboards.board import Row
from dashboards.infrastructure.aws import CLOUDWATCH_PERIOD, NAMED_LATE, NAMED_SUM, aws_row
from dashboards.panels import Query, above, timeseries
from dashboards.promql import series

TABLE = 'dimension_table_name=~"$table"'


def row() -> Row:
    """Capacity, latency, throttled requests and errors by table."""
    return aws_row(
        "DynamoDB",
        timeseries(
            "DynamoDB consumed capacity",
            *(
                Query(
                    "sum by (dimension_table_name) "
                    f"({series(f'aws_dynamodb_consumed_{kind}_capacity_units_sum', TABLE)})"
                    f" / {CLOUDWATCH_PERIOD}",
                    "{{dimension_table_name}} " + kind,
                )
                for kind in ("read", "write")
            ),
            shows="Capacity units per second that reads and writes of each table use. On demand, this is the bill. "
            f"{NAMED_SUM}",
            wrong="Rising without traffic: a scan, or a missing cache. Compare with the request rate.",
            unit=units.OpsPerSecond,
            width=12,
        ),
        timeseries(
            "DynamoDB latency",
            Query(
                f"avg by (dimension_table_name, dimension_operation) "
                f"({series('aws_dynamodb_successful_request_latency_average', TABLE)})",
                "{{dimension_table_name}} {{dimension_operation}}",
            ),
            shows=f"Average time of DynamoDB's successful answers, by table and operation. {NAMED_LATE}",
            wrong="Single items over 20 ms: large items or a hot key. Queries over 100 ms: too many rows are read.",
            unit=units.Milliseconds,
            limits=above(20, 100),
            width=12,
        ),
        timeseries(
            "DynamoDB throttled requests",
            Query(_by_table("throttled_requests"), "{{dimension_table_name}} requests"),
            Query(_by_table("read_throttle_events"), "{{dimension_table_name}} reads"),
            Query(_by_table("write_throttle_events"), "{{dimension_table_name}} writes"),
            shows=f"Requests that DynamoDB throttled in {CLOUDWATCH_PERIOD // 60} min, and the reads and writes in "
            f"them. {NAMED_SUM}",
            wrong="A hot key or a table's limit: for how long, and does the traffic explain it? Clients retry several "
            "times, so users first notice slowness.",
            unit=units.Short,
            limits=above(1, 10),
            width=12,
        ),
        timeseries(
            "DynamoDB errors",
            Query(_by_table("system_errors"), "{{dimension_table_name}}"),
            shows=f"Requests that DynamoDB itself failed in {CLOUDWATCH_PERIOD // 60} min (HTTP 500). {NAMED_SUM}",
            wrong="Check the AWS Health Dashboard; the only remedy is to wait and retry.",
            unit=units.Short,
            limits=above(1, 10),
            width=12,
        ),
    )


def _by_table(figure: str) -> str:
    # DynamoDB sends no figure for nothing: a table with answered requests had 0.
    return f"""
    sum by (dimension_table_name) ({series(f"aws_dynamodb_{figure}_sum", TABLE)})
      or
    0 * sum by (dimension_table_name) ({series("aws_dynamodb_successful_request_latency_sample_count", TABLE)})
    """
