"""A cluster that can be read, and nothing else: every question is one `kubectl get --raw`."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

REQUEST_TIMEOUT_SECONDS = 20


class ClusterError(Exception):
    """A question was not answered: no kubectl, no connection, no permission, no such object, nothing behind it."""


class Cluster(Protocol):
    """A Kubernetes API server."""

    def get(self, path: str) -> Any:
        """The answer to GET `path`, from JSON. Raises ClusterError."""


class Kubectl:
    """A cluster by a kubectl context. It only ever reads."""

    def __init__(self, context: str) -> None:
        self._context = context

    def get(self, path: str) -> Any:
        """The answer to GET `path`, from JSON. Raises ClusterError with what kubectl says."""
        command = ["kubectl", "--context", self._context, "get", "--raw", path]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=REQUEST_TIMEOUT_SECONDS, check=False)
        except FileNotFoundError as error:
            raise ClusterError("kubectl is not on PATH; install it: https://kubernetes.io/docs/tasks/tools/") from error
        except subprocess.TimeoutExpired as error:
            raise ClusterError(f"GET {path}: no answer within {REQUEST_TIMEOUT_SECONDS} s") from error
        if done.returncode:
            raise ClusterError(f"GET {path}: {done.stderr.strip()}")
        try:
            return json.loads(done.stdout)
        except ValueError as error:
            raise ClusterError(f"GET {path}: the answer is not JSON: {done.stdout[:200]!r}") from error


def behind_service(namespace: str, address: str, path: str, parameters: Mapping[str, str] | None = None) -> str:
    """API path of an HTTP path behind a Service, through the API server's proxy.

    `address` is the in-cluster one, such as `http://loki.monitoring.svc:3100`; the namespace in it gives way to
    `namespace`. The proxy passes no Authorization header on, so only what needs no log-in can be read.
    """
    url = urlsplit(address)
    service = (url.hostname or "").split(".")[0]
    query = f"?{urlencode(sorted(parameters.items()))}" if parameters else ""
    return f"/api/v1/namespaces/{namespace}/services/{service}:{url.port}/proxy/{path}{query}"
