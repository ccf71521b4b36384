"""A cluster that can be read, and nothing else: by `kubectl get --raw`, and by GET through `kubectl port-forward`."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol
from urllib.parse import urlencode

from verify.forwarding import ForwardError, Forwards

REQUEST_TIMEOUT_SECONDS = 20


class ClusterError(Exception):
    """A question was not answered: no kubectl, no connection, no such object, nothing behind it."""


class ForbiddenError(ClusterError):
    """The API server does not let this user ask; so whether something is wrong is unknown."""


class NotServedError(ClusterError):
    """The API server knows nothing at this path."""


_ERRORS = {"(Forbidden)": ForbiddenError, "is forbidden": ForbiddenError, "(NotFound)": NotServedError}
"""What kubectl's message has for an answer of 403 and of 404."""
_UNKNOWN_CONTEXT = re.compile(r'context "?([^"\s]+)"? does not exist')
_NO_KUBECTL = "kubectl is not on PATH; install it: https://kubernetes.io/docs/tasks/tools/"


def _error(what: str, said: str) -> ClusterError:
    """What kubectl said of a request."""
    if unknown := _UNKNOWN_CONTEXT.search(said):
        return ClusterError(f"kubectl has no context {unknown[1]}; `kubectl config get-contexts` lists those it has")
    return next((kind for word, kind in _ERRORS.items() if word in said), ClusterError)(f"{what}: {said}")


@contextmanager
def _forwarding(url: str) -> Iterator[None]:
    """Raises ClusterError for what goes wrong on the way to an address."""
    try:
        yield
    except FileNotFoundError as error:
        raise ClusterError(_NO_KUBECTL) from error
    except ForwardError as error:
        raise _error(f"GET {url}", str(error)) from error


class Cluster(Protocol):
    """A Kubernetes API server, and what is behind it."""

    def get(self, path: str) -> Any:
        """The answer to GET, from JSON, of a path of the API server or an address of `behind_service`.

        Of such an address plain text is text. Raises ClusterError.
        """


class Kubectl:
    """A cluster by a kubectl context. It only ever reads."""

    def __init__(self, context: str) -> None:
        self._command = ("kubectl", "--context", context)
        self._forwards = Forwards(self._command)

    def close(self) -> None:
        """End the port-forwards."""
        self._forwards.close()

    def get(self, path: str) -> Any:
        """The answer to GET, as `Cluster` has it. Raises ClusterError with what kubectl says."""
        return self._api_server(path) if path.startswith("/") else self._behind(path)

    def address(self, url: str) -> str:
        """Where what an address of `behind_service` names listens on this machine, until `close`.

        For a client of its own. Raises ClusterError.
        """
        with _forwarding(url):
            return self._forwards.address(url)

    def may(self, verb: str, resource: str, namespace: str = "") -> bool:
        """Whether this user may do a verb to a kind such as `deployments.apps`. Raises ClusterError."""
        where = ("--namespace", namespace) if namespace else ("--all-namespaces",)
        answer = self._run("auth", "can-i", verb, resource, *where)
        word = answer.stdout.strip().partition(" ")[0]
        if word not in ("yes", "no"):
            raise ClusterError(f"may this user {verb} {resource}: {answer.stderr.strip()}")
        return word == "yes"

    def _behind(self, url: str) -> Any:
        with _forwarding(url):
            return self._forwards.get(url)

    def _api_server(self, path: str) -> Any:
        done = self._run("get", "--raw", path)
        if done.returncode:
            raise _error(f"GET {path}", done.stderr.strip())
        try:
            return json.loads(done.stdout)
        except ValueError as error:
            raise ClusterError(f"GET {path}: the answer is not JSON: {done.stdout[:200]!r}") from error

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*self._command, *arguments]
        try:
            return subprocess.run(command, capture_output=True, text=True, timeout=REQUEST_TIMEOUT_SECONDS, check=False)
        except FileNotFoundError as error:
            raise ClusterError(_NO_KUBECTL) from error
        except subprocess.TimeoutExpired as error:
            what = f"GET {arguments[-1]}" if arguments[0] == "get" else " ".join(arguments)
            raise ClusterError(f"{what}: no answer within {REQUEST_TIMEOUT_SECONDS} s") from error


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
    """The address of an HTTP path behind a Service, which `address` names as the cluster does.

    Such as `http://loki.monitoring.svc:3100`. Only what needs no log-in can be read.
    """
    query = f"?{urlencode(sorted(parameters.items()))}" if parameters else ""
    return f"{address}/{path}{query}"
