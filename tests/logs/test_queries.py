"""A query of docs/logs.md whose answer an incident makes large."""

from __future__ import annotations

import time

import httpx

from benchmarks.loki import Loki, Stream
from tests.documented import documented
from tests.logs.pipeline import NAMESPACE, Pipeline

SECOND = 10**9


def failing(node: Pipeline, requests: int) -> httpx.Response:
    """The answer that names the requests that failed, of so many at a service of their own."""
    service, now = f"failing-{requests}", time.time_ns()
    errors = [
        (now + number, "{}", {"severity": "ERROR", "request_id": f"req-{requests}-{number}"})
        for number in range(requests)
    ]
    query = documented()["From an error to the request"].replace("$service", service)
    with httpx.Client(base_url=node.ports.url("loki"), timeout=60, trust_env=False) as client:
        loki = Loki(client, node.state.data / "loki")
        pushed = loki.push([Stream({"service_name": service, "k8s_namespace_name": NAMESPACE}, errors)])
        assert pushed.status_code == 204, pushed.text
        return client.get("/loki/api/v1/query_range", params={"query": query, "end": now + 60 * SECOND, "step": "30"})


def test_every_request_is_named_where_thousands_fail(node: Pipeline) -> None:
    answer = failing(node, 2000)
    assert answer.status_code == 200, answer.text
    assert len({series["metric"]["request_id"] for series in answer.json()["data"]["result"]}) == 2000


def test_beyond_the_limit_it_is_refused_in_words(node: Pipeline) -> None:
    answer = failing(node, 5001)
    assert answer.status_code == 400
    assert "maximum number of series (5000)" in answer.text
