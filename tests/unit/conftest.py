"""What several files of tests need: programs, each of which takes seconds to run, and a directory for rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from checks.program import Program, evaluate


@pytest.fixture(scope="session")
def dev() -> Program:
    return evaluate("dev")


@pytest.fixture(scope="session")
def prod() -> Program:
    return evaluate("prod")


@pytest.fixture(scope="session")
def changed() -> Program:
    """Dev with other settings, none of which has to do with another: to run the program for each takes long."""
    return evaluate(
        "dev",
        {
            "platform": "other",
            "instrumentedServices": ["insights-service", "order-service"],
            "retention": {"metrics": "30d", "logs": "3d"},
            "scrape": {"infrastructure": "20s", "applications": "60s"},
            "storage": {"kind": "ephemeral"},
            "tracing": None,
            "logs": {"namespaces": ["ingress", "kube-system"]},
            "workloads": {"loki": {"memory": "1Gi", "memoryLimit": "3Gi"}},
            "charts": {"source": "mirror", "location": "https://charts.example.com"},
        },
    )


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """An empty directory for rule files, with the runbook of `SomethingWrong`."""
    runbooks = tmp_path / "alerts" / "runbooks"
    runbooks.mkdir(parents=True)
    (runbooks / "SomethingWrong.md").write_text("# SomethingWrong\n")
    return runbooks.parent
