"""What runs in the pods: programs with the files and variables that their pods give them, and what stands in."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from checks.waiting import eventually
from control_plane.network import PodNetwork
from control_plane.plane import ControlPlane
from control_plane.pods import Pods
from local.processes import alive

NAMESPACE = "shop"
MODULES = {"modules": {"found": {"prober": "http", "http": {"valid_status_codes": [200]}}}}


@pytest.fixture(scope="module")
def pods(plane: ControlPlane, network: PodNetwork | None) -> Iterator[Pods]:
    if network is None:
        pytest.skip("something must answer for pods, and this user may not make a network namespace")
    plane.kubectl("create", "namespace", NAMESPACE)
    eventually(lambda: kubectl(plane, "get", "serviceaccounts", "--output=name"), 30, "no service account is made")
    with Pods(plane, network) as running:
        yield running


def kubectl(plane: ControlPlane, *arguments: str) -> str:
    return plane.kubectl(*arguments, f"--namespace={NAMESPACE}")


def named(name: str) -> dict[str, Any]:
    return {"name": name, "namespace": NAMESPACE}


def pod(name: str, image: str, port: int, **container: Any) -> dict[str, Any]:
    volumes = container.pop("volumes", [])
    ports = [{"containerPort": port}]
    spec = {"containers": [{"name": name, "image": image, "ports": ports, **container}], "volumes": volumes}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": named(name) | {"labels": {"app": name}}, "spec": spec}


def service(name: str, port: int) -> dict[str, Any]:
    spec = {"selector": {"app": name}, "ports": [{"port": port}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": named(name), "spec": spec}


def config(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": named(name), "data": data}


def answer(plane: ControlPlane, path: str) -> str:
    """What a pod answers, through the API server."""
    with plane.client() as client:
        return client.get(f"/api/v1/namespaces/{NAMESPACE}/pods/{path}").raise_for_status().text


def test_a_program_has_its_files_and_finds_others_by_the_names_of_their_services(
    plane: ControlPlane, pods: Pods
) -> None:
    mounts = [{"name": "config", "mountPath": "/config"}]
    volume = {"name": "config", "configMap": {"name": "modules", "items": [{"key": "blackbox", "path": "in/it.yaml"}]}}
    arguments = ["--config.file=$(WHERE)/it.yaml", "--web.listen-address=:9999"]
    variables = [{"name": "DIRECTORY", "value": "/config"}, {"name": "WHERE", "value": "$(DIRECTORY)/in"}]
    prober = pod(
        "prober",
        "example.com/prometheus/blackbox-exporter:v1",
        9999,
        args=arguments,
        env=variables,
        volumeMounts=mounts,
        volumes=[volume],
    )
    plane.apply(prober, pod("web", "example.com/web", 8080), service("web", 8080))
    kubectl(plane, "wait", "--for=condition=Ready", "pod/prober", "--timeout=30s")
    assert not pods.processes("prober")  # it waits for its ConfigMap
    plane.apply(config("modules", blackbox=json.dumps(MODULES)))
    probe = "prober:9999/proxy/probe?module=found&target=http://web.shop.svc:8080/"
    eventually(lambda: "probe_success 1" in answer(plane, probe), 30, "the stand-in is not reached")
    with pods.silent("web"):
        eventually(lambda: "probe_success 0" in answer(plane, probe), 30, "the stand-in still answers")

    plane.apply(config("modules", blackbox=json.dumps(MODULES).replace("200", "204")))

    def refused() -> bool:
        with plane.client() as client:
            client.post(f"/api/v1/namespaces/{NAMESPACE}/pods/prober:9999/proxy/-/reload")
        return "204" in answer(plane, "prober:9999/proxy/config")

    eventually(refused, 30, "the file is the old one")


def test_a_program_acts_with_the_rights_of_its_service_account(plane: ControlPlane, pods: Pods) -> None:
    arguments = ["--port=8888", "--telemetry-port=8889", "--resources=configmaps", "--namespaces=shop"]
    plane.apply(config("seen"))
    plane.apply(pod("counter", "example.com/kube-state-metrics:v2", 8888, args=arguments))
    log = pods.logs / "shop_counter_counter.log"
    refusal = 'User "system:serviceaccount:shop:default" cannot list resource "configmaps"'
    eventually(lambda: refusal in log.read_text().replace("\\", ""), 30, "it is not refused")
    kubectl(plane, "create", "role", "reads", "--verb=list,watch", "--resource=configmaps")
    kubectl(plane, "create", "rolebinding", "reads", "--role=reads", "--serviceaccount=shop:default")
    seen = 'kube_configmap_info{namespace="shop",configmap="seen"} 1'
    eventually(lambda: seen in answer(plane, "counter:8888/proxy/metrics"), 60, "it may still not")


def test_a_program_that_ends_is_started_again_and_none_outlives_its_pod(plane: ControlPlane, pods: Pods) -> None:
    plane.apply(pod("again", "example.com/kube-state-metrics:v2", 8886, args=["--port=8886", "--telemetry-port=8887"]))
    (first,) = eventually(lambda: pods.processes("again"), 30, "it was not started")
    os.kill(first, signal.SIGKILL)
    eventually(lambda: not alive(first))
    (second,) = eventually(lambda: pods.processes("again"), 30, "it was not started again")
    kubectl(plane, "delete", "pod", "again", "--wait=false")
    eventually(lambda: not alive(second), 30, "it runs without a pod")


@pytest.mark.usefixtures("pods")
def test_a_job_for_certificates_makes_the_api_server_trust_a_webhook(plane: ControlPlane) -> None:
    webhook = {
        "name": "some.example.com",
        "clientConfig": {"service": {"name": "some-operator", "namespace": NAMESPACE}},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "failurePolicy": "Ignore",
    }
    kind = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration"}
    plane.apply(kind | {"metadata": {"name": "some-admission"}, "webhooks": [webhook]})
    for action in ("create", "patch"):
        arguments = [action, "--namespace=shop", "--secret-name=some-admission"]
        spec = pod(action, "ghcr.io/example/kube-webhook-certgen:1.8.7", 1, args=arguments)["spec"]
        template = {"template": {"spec": spec | {"restartPolicy": "Never"}}}
        plane.apply({"apiVersion": "batch/v1", "kind": "Job", "metadata": named(action), "spec": template})
        kubectl(plane, "wait", "--for=condition=Complete", f"job/{action}", "--timeout=30s")
        kubectl(plane, "delete", "job", action)

    def authority() -> str:
        path = "--output=jsonpath={.webhooks[0].clientConfig.caBundle}"
        return plane.kubectl("get", "validatingwebhookconfiguration", "some-admission", path)

    trusted = eventually(authority, 10, "the webhook is not trusted")
    assert kubectl(plane, "get", "secret", "some-admission", "--output=jsonpath={.data.ca}") == trusted


@pytest.mark.usefixtures("pods")
def test_every_node_has_something_for_its_kubelet(plane: ControlPlane) -> None:
    nodes = json.loads(plane.kubectl("get", "nodes", "--output=json"))["items"]
    addresses = [each["address"] for node in nodes for each in node["status"]["addresses"]]
    with httpx.Client(verify=plane.access.client_context(), trust_env=False) as client:

        def answered() -> bool:
            pages = [f"https://{at}:10250/metrics" for at in addresses if at[0].isdigit()]
            return len(pages) == len(nodes) and all(client.get(page).is_success for page in pages)

        eventually(answered)
