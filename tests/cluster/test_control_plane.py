"""The control plane itself: what every other test here takes for granted."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from checks.waiting import eventually
from control_plane.network import PodNetwork
from control_plane.plane import NEWEST, ControlPlane
from engine.toolchain import TOOLS, tool
from facts import ROOT
from local.processes import alive

WEB = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: web}
spec:
  replicas: 3
  serviceName: web
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: example.com/web, volumeMounts: [{name: data, mountPath: /data}]}]
  volumeClaimTemplates:
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOnce], storageClassName: gp3, resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: gp3}
provisioner: ebs.csi.aws.com
volumeBindingMode: WaitForFirstConsumer
"""

OWNER = """
import signal, sys
from pathlib import Path
from control_plane.children import Children
from control_plane.network import pod_network

logs = Path(sys.argv[1])
with pod_network(logs) as network, Children(logs) as children:
    print(network.holder, children.start("child", ["sleep", "infinity"]).pid, flush=True)
    signal.pause()
"""


def test_the_api_server_says_the_version_that_it_was_built_from(plane: ControlPlane) -> None:
    with plane.client() as client:
        said = client.get("/version").json()
    assert said["gitVersion"] == TOOLS[NEWEST].version
    assert said["gitVersion"].startswith(f"v{said['major']}.{said['minor']}.")


def test_pods_become_ready_with_volumes_and_answer_through_their_service(
    plane: ControlPlane, pods_answer: PodNetwork
) -> None:
    plane.kubectl("apply", "-f", "-", input=WEB)
    plane.kubectl("rollout", "status", "statefulset/web", "--timeout=60s")
    assert plane.kubectl("get", "pvc", "--output=jsonpath={.items[*].status.phase}").split() == ["Bound"] * 3
    address = plane.kubectl("get", "pod", "web-0", "--output=jsonpath={.status.podIP}")
    server = [sys.executable, "-m", "http.server", "--bind", address, "8080", "--directory", str(ROOT / "alerts")]
    plane.children.start("web", pods_answer.inside(*server))
    eventually(lambda: httpx.get(f"http://{address}:8080", trust_env=False).is_success)
    with plane.client() as client:
        path = "/api/v1/namespaces/default/pods/web-0:8080/proxy/"
        assert "runbooks/" in eventually(lambda: client.get(path).raise_for_status().text)
    plane.children.stop("web")  # another pod will have its address


def test_a_process_in_the_pods_network_reaches_the_api_server(plane: ControlPlane, pods_answer: PodNetwork) -> None:
    ask = pods_answer.inside(tool("kubectl"), "--kubeconfig", plane.kubeconfig, "get", "--raw", "/readyz")
    assert subprocess.run(ask, capture_output=True, text=True, check=True).stdout == "ok"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_outlives_its_owner(number: signal.Signals, tmp_path: Path, pods_answer: PodNetwork) -> None:
    command = [sys.executable, "-c", OWNER, str(tmp_path)]
    owner = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert owner.stdout is not None
    children = [int(word) for word in owner.stdout.readline().split()]
    assert len(children) == 2
    assert all(map(alive, children))
    assert Path(f"/sys/class/net/pods-{children[0]}").exists()
    owner.send_signal(number)
    owner.wait()
    eventually(lambda: not any(map(alive, children)), what="a child lives")
    eventually(lambda: not Path(f"/sys/class/net/pods-{children[0]}").exists(), what="the interface is left")
    assert pods_answer.holder not in children  # that of the other tests stays
