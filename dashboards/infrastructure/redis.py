"""Does Redis answer, and does it have room left?"""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from dashboards import board
from dashboards.board import Row
from dashboards.infrastructure.aws import CLOUDWATCH_PERIOD, FOUND_LATE
from dashboards.panels import Query, above, timeseries, where_there_is


def row() -> Row:
    """The prober's PING, and what ElastiCache reports."""
    answers = timeseries(
        "Redis answers",
        Query('max by (instance) (probe_success{job="redis-probe"})', "{{instance}}"),
        shows="Whether Redis answered PING when the prober asked: 1 if it did, 0 if it did not or refused.",
        wrong="0: Redis is down, serves no commands or cannot be reached by the prober; see RedisDown.",
        unit=units.Short,
        limits=[(None, "red"), (1, "green")],
        maximum=1,
        width=24,
        height=5,
    )
    of_aws = (
        timeseries(
            "Redis CPU and memory",
            *(
                Query(f"max by (dimension_cache_cluster_id) (aws_elasticache_{figure}_average)", legend)
                for figure, legend in (
                    ("cpuutilization", "{{dimension_cache_cluster_id}} CPU"),
                    ("engine_cpuutilization", "{{dimension_cache_cluster_id}} engine"),
                    ("database_memory_usage_percentage", "{{dimension_cache_cluster_id}} memory"),
                )
            ),
            shows="CPU and memory that ElastiCache uses. The engine is the one thread that runs all commands: it is "
            f"full when a host of two CPUs looks half idle. {FOUND_LATE}",
            wrong="Memory near 100 % evicts sessions and rate limits: raise the node type or shorten expiry. Engine: "
            "look for slow commands.",
            unit=units.Percent,
            limits=above(75, 90),
            maximum=100,
            width=8,
        ),
        timeseries(
            "Redis connections",
            Query(
                "sum by (dimension_cache_cluster_id) (aws_elasticache_curr_connections_average)",
                "{{dimension_cache_cluster_id}}",
            ),
            shows=f"Open connections. AWS itself always holds a few. {FOUND_LATE}",
            wrong="Only climbing: a service does not return them to its pool. None: Redis is down or unreachable.",
            unit=units.Short,
            limits=[(None, "red"), (1, "green"), (10_000, "orange")],
        ),
        timeseries(
            "Redis evictions",
            Query(
                "sum by (dimension_cache_cluster_id) (aws_elasticache_evictions_sum)",
                "{{dimension_cache_cluster_id}}",
            ),
            shows=f"Keys evicted in {CLOUDWATCH_PERIOD // 60} min because memory ran out. {FOUND_LATE}",
            wrong="Any eviction means that memory is short: sessions and rate limits vanish. Raise the node type.",
            unit=units.Short,
            limits=above(1, 100),
        ),
    )
    return board.row(
        "Redis", *where_there_is("a stack with redis.address", answers), *where_there_is("a stack with AWS", *of_aws)
    )
