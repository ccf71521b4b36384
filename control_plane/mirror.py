"""What the API server has of the kinds that pods are made of, kept up to date by watches, as kubelets do it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx

from control_plane.plane import ControlPlane

Object = dict[str, Any]
"""An object of the API, as its JSON says it."""

_KINDS = {
    "nodes": "/api/v1/nodes",
    "pods": "/api/v1/pods",
    "configmaps": "/api/v1/configmaps",
    "secrets": "/api/v1/secrets?labelSelector=owner%21%3Dhelm",  # Helm's records are large, and no pod mounts one
    "endpointslices": "/apis/discovery.k8s.io/v1/endpointslices",
}
_PAUSE_SECONDS = 0.5


class Mirror:
    """The objects of these kinds. Everything here runs in one event loop."""

    def __init__(self, plane: ControlPlane, seen: Callable[[Object], None]) -> None:
        """`seen` is told of each pod, as soon as anything is known of it, however short it lives."""
        self._plane = plane
        self._seen = seen
        self._objects: dict[str, dict[tuple[str, str], Object]] = {}
        self.changed = asyncio.Event()

    def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """The object of this name, if there is one."""
        return self._objects[kind].get((namespace, name))

    def every(self, kind: str) -> Iterator[Object]:
        """Every object of a kind."""
        yield from self._objects.get(kind, {}).values()

    @property
    def complete(self) -> bool:
        """Whether every kind has been read."""
        return self._objects.keys() == _KINDS.keys()

    async def run(self) -> None:
        """Follow every kind until cancelled."""
        limits = httpx.Timeout(10, read=None)  # a watch says nothing for as long as nothing happens
        async with (
            httpx.AsyncClient(
                base_url=self._plane.url, verify=self._plane.access.client_context(), timeout=limits, trust_env=False
            ) as client,
            asyncio.TaskGroup() as tasks,
        ):
            for kind, path in _KINDS.items():
                tasks.create_task(self._follow(client, kind, httpx.URL(path)))

    async def _follow(self, client: httpx.AsyncClient, kind: str, path: httpx.URL) -> None:
        while True:
            with contextlib.suppress(httpx.HTTPError):  # the API server ends a watch now and then
                listed = (await client.get(path)).raise_for_status().json()
                self._objects[kind] = {}
                for item in listed["items"]:
                    self._take(kind, "ADDED", item)
                self.changed.set()
                since = {"watch": "1", "resourceVersion": listed["metadata"]["resourceVersion"]}
                async with client.stream("GET", path.copy_merge_params(since)) as answer:
                    answer.raise_for_status()
                    async for line in answer.aiter_lines():
                        event = json.loads(line)
                        if event["type"] == "ERROR":  # too old a version
                            break
                        self._take(kind, event["type"], event["object"])
                        self.changed.set()
            await asyncio.sleep(_PAUSE_SECONDS)

    def _take(self, kind: str, event: str, item: Object) -> None:
        key = item["metadata"].get("namespace", ""), item["metadata"]["name"]
        if event == "DELETED":
            self._objects[kind].pop(key, None)
        else:
            self._objects[kind][key] = item
        if kind == "pods":
            self._seen(item)
