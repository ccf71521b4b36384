"""A query of docs/logs.md whose answer an incident makes large."""

from __future__ import annotations

import time

import httpx

from benchmarks.loki import Loki, Stream
from checks.logs.pipeline import NAMESPACE
from tests.documented import documented

SECOND = 10**9


def failing(deployed: Loki, requests: int) -> httpx.Response:
    """The answer that names the requests that failed, of so many at a service of their own."""
    service, now = f"failing-{requests}", time.time_ns()
    errors = [
        (now + number, "{}", {"severity": "ERROR", "request_id": f"req-{requests}-{number}"})
        for number in range(requests)
    ]
    query = documented()["From an error to the request"].replace("$service", service)
    pushed = deployed.push([Stream({"service_name": service, "k8s_namespace_name": NAMESPACE}, errors)])
    assert pushed.status_code == 204, pushed.text
    parameters: dict[str, str | int] = {"query": query, "end": now + 60 * SECOND, "step": "30"}
    return deployed.client.get("/loki/api/v1/query_range", params=parameters)


def test_every_request_is_named_where_thousands_fail(deployed: Loki) -> None:
    answer = failing(deployed, 2000)
    assert answer.status_code == 200, answer.text
    assert len({series["metric"]["request_id"] for series in answer.json()["data"]["result"]}) == 2000


def test_beyond_the_limit_it_is_refused_in_words(deployed: Loki) -> None:
    answer = failing(deployed, 5001)
    assert answer.status_code == 400
    assert "maximum number of series (5000)" in answer.text
