"""The way to a pod behind a Service: by `kubectl port-forward`, as the network policies admit nothing else.

A forwarded connection goes to the API server, to the pod's kubelet, and begins inside the pod's own network.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

START_SECONDS = 15
"""How long a forward may take to listen."""
REQUEST_SECONDS = 20
_POD_SECONDS = 5
"""How long kubectl may wait for a pod that runs."""
_LISTENS = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+)")
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Without the proxy of the environment, which does not know what listens here."""


class ForwardError(Exception):
    """Nothing was answered; the message is what kubectl, or the other side, has said."""


class Forward:
    """A port of this machine that leads to one of the pods behind a Service, until it is closed."""

    def __init__(self, kubectl: Sequence[str], service: str, namespace: str, port: int) -> None:
        """Start it. Raises ForwardError if it does not listen in time, and FileNotFoundError without a kubectl."""
        command = [*kubectl, f"--namespace={namespace}", "port-forward", f"service/{service}", f":{port}"]
        command += ["--address=127.0.0.1", f"--pod-running-timeout={_POD_SECONDS}s"]
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - as long as the process; a full pipe would stop it
        self._process = subprocess.Popen(command, stdout=self._log, stderr=subprocess.STDOUT, text=True)
        self.address = f"http://127.0.0.1:{self._listening()}"

    def _listening(self) -> int:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            ended = self._process.poll() is not None
            found = _LISTENS.search(self._said())
            if found and not ended:
                return int(found[1])
            if ended:
                break
            time.sleep(0.05)
        said = self._said().strip() or f"not ready within {START_SECONDS} s"
        self.close()
        raise ForwardError(f"kubectl port-forward: {said}")

    def _said(self) -> str:
        self._log.seek(0)
        return self._log.read()

    def get(self, path: str) -> Any:
        """The answer to GET `path`: from JSON, or as it is if it is text of another kind. Raises ForwardError."""
        try:
            with _OPENER.open(f"{self.address}{path}", timeout=REQUEST_SECONDS) as answer:
                text, kind = answer.read().decode(), answer.headers.get_content_type()
        except urllib.error.HTTPError as error:
            raise ForwardError(f"HTTP {error.code}: {error.read().decode(errors='replace')[:200]}") from error
        except (OSError, HTTPException) as error:
            raise ForwardError(f"{error}; kubectl port-forward: {self._said().strip()}") from error
        if kind == "text/plain":
            return text
        try:
            return json.loads(text)
        except ValueError as error:
            raise ForwardError(f"the answer is not JSON: {text[:200]!r}") from error

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait()
        self._log.close()


class Forwards:
    """One forward for each Service and port, kept for the next question."""

    def __init__(self, kubectl: Sequence[str]) -> None:
        self._kubectl = tuple(kubectl)
        self._open: dict[str, Forward] = {}

    def get(self, url: str) -> Any:
        """The answer to GET of an address in the cluster, `http://<service>.<namespace>.svc:<port>/…`.

        Raises ForwardError. What has failed is opened anew the next time: its pod may be gone.
        """
        address = urlsplit(url)
        forward = self._to(url)
        try:
            return forward.get(f"{address.path}?{address.query}" if address.query else address.path)
        except ForwardError:
            self._open.pop(address.netloc).close()
            raise

    def address(self, url: str) -> str:
        """Where on this machine the forward to an address in the cluster listens. Raises ForwardError."""
        return self._to(url).address

    def _to(self, url: str) -> Forward:
        address = urlsplit(url)
        if address.netloc not in self._open:
            service, namespace = (address.hostname or "").split(".")[:2]
            self._open[address.netloc] = Forward(self._kubectl, service, namespace, address.port or 80)
        return self._open[address.netloc]

    def close(self) -> None:
        """End all."""
        while self._open:
            self._open.popitem()[1].close()
