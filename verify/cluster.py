"""A cluster that can be read, and nothing else: every question is one `kubectl get --raw`."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

REQUEST_TIMEOUT_SECONDS = 20


class ClusterError(Exception):
    """A question was not answered: no kubectl, no connection, no such object, nothing behind it."""


class ForbiddenError(ClusterError):
    """The API server does not let this user ask; so whether something is wrong is unknown."""


class NotServedError(ClusterError):
    """The API server knows nothing at this path."""


_ERRORS = {"(Forbidden)": ForbiddenError, "(NotFound)": NotServedError}
"""What kubectl's message has for an answer of 403 and of 404."""


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
            kind = next((kind for word, kind in _ERRORS.items() if word in done.stderr), ClusterError)
            raise kind(f"GET {path}: {done.stderr.strip()}")
        try:
            return json.loads(done.stdout)
        except ValueError as error:
            raise ClusterError(f"GET {path}: the answer is not JSON: {done.stdout[:200]!r}") from error


class Snapshot:
    """A cluster as it is now: what several checks read is asked for once."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._answers: dict[str, Any] = {}

    def get(self, path: str) -> Any:
        """The first answer to GET `path`. Raises ClusterError."""
        if path not in self._answers:
            self._answers[path] = self._cluster.get(path)
        return self._answers[path]


def behind_service(address: str, path: str, parameters: Mapping[str, str] | None = None) -> str:
    """API path of an HTTP path behind a Service, through the API server's proxy.

    `address` is the in-cluster one, such as `http://loki.monitoring.svc:3100`. The proxy passes no Authorization header
    on, so only what needs no log-in can be read.
    """
    url = urlsplit(address)
    service, namespace = (url.hostname or "").split(".")[:2]
    query = f"?{urlencode(sorted(parameters.items()))}" if parameters else ""
    return f"/api/v1/namespaces/{namespace}/services/{service}:{url.port}/proxy/{path}{query}"
