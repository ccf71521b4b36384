"""What runs in the pods: the half of a kubelet that kwok does not play.

    with Pods(plane, network):
        ...  # every pod with an address answers at it

A container whose program is built here runs as that program, with its own arguments, its service account's token and
the content of its volumes, which follows their ConfigMaps and Secrets at once; one that ends is started again. For all
others something stands in (see `stand_ins`). kwok still says when a pod is ready: that is before its programs are, and
whatever becomes of them.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx

from control_plane.children import Children
from control_plane.containers import image
from control_plane.mirror import Mirror, Object
from control_plane.network import PodNetwork
from control_plane.plane import ControlPlane
from control_plane.sandbox import Host, Pod, Server, kubelet
from control_plane.stand_ins import CERTGEN, generate_certificate
from local.errors import RehearsalError

_SETTLE_SECONDS = 0.1
"""Changes that come together are looked at together."""
_LOOK_SECONDS = 0.5
"""How often programs that have ended are looked for."""
_START_SECONDS, _END_SECONDS = 60, 5


class Pods:
    """Runs what is in the pods, in a thread of its own: the kernel ends the programs with the thread."""

    def __init__(self, plane: ControlPlane, network: PodNetwork) -> None:
        self._plane, self._network = plane, network
        self.logs = plane.directory / "logs" / "pods"
        """What programs say, in `<namespace>_<pod>_<container>.log`."""
        self._running: dict[str, Pod | Server] = {}
        self._silent: set[str] = set()
        self._jobs: dict[str, Object] = {}
        self._thread = threading.Thread(target=self._work, name="pods")
        self._started, self._ended = threading.Event(), False
        self._failure: BaseException | None = None

    def __enter__(self) -> Pods:
        self._thread.start()
        if not self._started.wait(_START_SECONDS) or self._failure:
            self.__exit__()
            raise RehearsalError(f"pods, nodes and what they need were not read within {_START_SECONDS} s")
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        self._thread.join()
        if self._failure:
            raise self._failure

    @contextmanager
    def silent(self, name: str) -> Iterator[None]:
        """Let nothing answer for the pods whose names begin so, of which Kubernetes knows nothing."""
        self._silent.add(name)
        try:
            yield
        finally:
            self._silent.discard(name)

    def processes(self, name: str) -> list[int]:
        """The ids of the processes that run in the pod of this name."""
        pods = [each for each in list(self._running.values()) if isinstance(each, Pod) and each.name == name]
        return [process for pod in pods for process in pod.processes]

    def _work(self) -> None:
        try:
            asyncio.run(self._run())
        except BaseException as error:
            self._failure = error
        finally:
            self._started.set()

    async def _run(self) -> None:
        directory = self._plane.directory / "pods"
        directory.mkdir(exist_ok=True)
        mirror = Mirror(self._plane, self._seen)
        following = asyncio.create_task(mirror.run())
        with self._plane.client() as client, Children(self.logs) as children:
            host = Host(self._plane, self._network, mirror, client, children, directory)
            while not self._ended and not following.done():
                if mirror.complete:
                    self._look(host)
                    self._started.set()
                with suppress(TimeoutError):
                    await asyncio.wait_for(mirror.changed.wait(), _LOOK_SECONDS)
                    await asyncio.sleep(_SETTLE_SECONDS)
                mirror.changed.clear()
            for each in self._running.values():
                each.stop()
            if host.serving:
                await asyncio.wait(host.serving, timeout=_END_SECONDS)
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following

    def _seen(self, pod: Object) -> None:
        """Keep in mind a job that makes certificates, which may be gone by the time of the next look."""
        if any(image(container) == CERTGEN for container in pod["spec"]["containers"]):
            self._jobs.setdefault(pod["metadata"]["uid"], pod)

    def _look(self, host: Host) -> None:
        """Start, stop and refresh what runs, as the API server has it now."""
        for uid, job in self._jobs.items():
            if job:
                with suppress(httpx.HTTPError):  # and so tried again
                    generate_certificate(job, host.client, self._plane.access)
                    self._jobs[uid] = {}
        wanted = {each["metadata"]["uid"]: each for kind in ("pods", "nodes") for each in host.mirror.every(kind)}
        for uid in [uid for uid in self._running if not self._runs(wanted.get(uid))]:
            self._running.pop(uid).stop()
        for uid, item in wanted.items():
            if self._runs(item):
                if uid not in self._running:
                    self._running[uid] = Pod(host, item) if _is_pod(item) else kubelet(host, item)
                with suppress(httpx.HTTPError):
                    self._running[uid].step()

    def _runs(self, item: Object | None) -> bool:
        """Whether a pod has been started and not been ended; a node always runs its kubelet."""
        if item is None or item["metadata"]["name"].startswith(tuple(self._silent)):
            return False
        if not _is_pod(item):
            return "addresses" in item["status"]
        status = item["status"]
        return status.get("phase") == "Running" and "podIP" in status and "deletionTimestamp" not in item["metadata"]


def _is_pod(item: Object) -> bool:
    return "containers" in item["spec"]
