"""Which traces the sampler keeps: the deployed configuration, run by the real collector."""

from __future__ import annotations

import random
import re
import time
from copy import deepcopy
from typing import Any

from checks.logs.pipeline import Pipeline
from checks.waiting import eventually
from components.logs.agent import sampler_configuration
from facts import SLOW_MILLISECONDS
from settings import Tracing
from tests.logs.test_redaction import post

PLAIN, SHARE = 400, 10
OTHER_HOST = "127.0.0.2"
"""The agent listens on the same ports of the usual one."""


def span(trace: str, number: int, *, milliseconds: int = 5, failed: bool = False) -> dict[str, Any]:
    now = time.time_ns()
    return {
        "traceId": trace,
        "spanId": f"{number:016x}",
        "name": f"of {trace}",
        "startTimeUnixNano": str(now - milliseconds * 10**6),
        "endTimeUnixNano": str(now),
        "status": {"code": 2} if failed else {},
    }


def test_all_that_failed_or_was_slow_is_kept_whole_and_a_share_of_the_rest(node: Pipeline) -> None:
    """Spans of one trace come from several nodes, one after the other."""
    ids = random.Random(1)  # noqa: S311 - the share is chosen by the id, and so the same each time
    failed, slow, *plain = (f"{ids.getrandbits(128):032x}" for _ in range(PLAIN + 2))
    configuration = deepcopy(sampler_configuration(Tracing(share=SHARE)))
    endpoint = f"{OTHER_HOST}:{node.ports['agent-otlp-http']}"
    configuration["extensions"], configuration["service"]["extensions"] = {}, []
    configuration["receivers"] = {"otlp": {"protocols": {"http": {"endpoint": endpoint}}}}
    configuration["exporters"] = {"debug": {"verbosity": "detailed"}}
    configuration["service"]["pipelines"]["traces"]["exporters"] = ["debug"]
    configuration["service"]["telemetry"] = {"metrics": {"level": "none"}}
    batches = (
        [span(trace, 1) for trace in plain],
        [span(failed, 1), span(slow, 1)],
        [span(failed, 2, failed=True), span(slow, 2, milliseconds=SLOW_MILLISECONDS + 1)],
        [span(failed, 3)],
    )
    with node.collector("sampling", configuration, {}):
        for spans in batches:
            post(f"http://{endpoint}/v1/traces", {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]})

        def kept() -> dict[str, int] | None:
            names = re.findall(r"Name +: of (\w+)", (node.state.logs / "sampling.log").read_text())
            counted = {trace: names.count(trace) for trace in names}
            return counted if {failed, slow} <= counted.keys() else None

        found = eventually(kept, what="what failed and what was slow is kept")
    assert (found.pop(failed), found.pop(slow)) == (3, 2)
    assert 0.5 * SHARE < 100 * len(found) / PLAIN < 2 * SHARE
