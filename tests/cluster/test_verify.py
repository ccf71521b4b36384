"""`make verify` before a real cluster: silent where all is well; what is wrong it names, with a remedy that works.

The dev stack is deployed as docs/deploying.md says, real programs run in its pods, and remedies are typed as printed.
Each test leaves the stack as it has found it, which the remedies must do.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

import catalogue
import verify.__main__ as command
from checks.waiting import eventually
from components import storage
from components.alerting.component import CONFIGURATION_KEY, CONFIGURATION_SECRET
from control_plane.network import PodNetwork
from control_plane.plane import CONTEXT, ControlPlane
from control_plane.pods import Pods
from control_plane.port_forward import write_kubectl
from engine.toolchain import tool
from facts import NAMESPACE
from settings import read_stack
from settings.resources import Sizes
from tests.cluster import application
from tests.cluster.deployment import OnCluster, charts_from
from tests.cluster.shell import Shell, deploying
from tests.tree import copy_tree
from verify import policies, volumes
from verify.checks import CHECKS
from verify.cluster import Kubectl
from verify.expectations import Expected, expectations

STACK = "dev"
COMES_UP_SECONDS = 120
NOTICED_SECONDS = 60
FAST = {
    f"Pulumi.{STACK}.yaml": (
        "infrastructure: 15s, applications: 30s }",
        "infrastructure: 10s, applications: 10s }\n    access: { enforced: false }",  # the pods' network enforces none
    ),
    "alerts/budget.yaml": ("interval: 3m", "interval: 10s"),
}
"""What makes things come true sooner, or that cannot come true here; nothing else changes: file, text, replacement."""
*DEPLOY, VERIFY = deploying("The commands")

REMEDY = re.compile(
    r"kubectl (?:scale|delete secret) [\w./-]+(?: --replicas=\d+)?"
    r"|helm rollback [\w-]+ \d+"
    r"|(?:PULUMI_\w+=true )?pulumi up(?: --refresh)? --stack \w+"
)
"""What is to be typed, among what is to be looked at."""


@dataclass
class Deployed:
    """The stack, its cluster, and a user before it."""

    sandbox: OnCluster
    plane: ControlPlane
    pods: Pods

    def verify(self, seconds: int, context: str = CONTEXT) -> tuple[int, str]:
        """`make verify`: its exit code, and what it says."""
        arguments = ["--stack", STACK, "--context", context, "--timeout", str(seconds)]
        result = CliRunner().invoke(command.main, arguments, catch_exceptions=False)
        return result.exit_code, result.output

    def found(self, *texts: str) -> str:
        """What verify says, as soon as it says all of this; it must fail then."""

        def look() -> str | None:
            code, said = self.verify(0)
            seen.append(said)
            return said if code == command.BROKEN and all(text in said for text in texts) else None

        seen: list[str] = []
        try:
            return eventually(look, NOTICED_SECONDS)
        except AssertionError:
            missing = [text for text in texts if text not in seen[-1]]
            raise AssertionError(f"{missing} not in:\n{seen[-1]}") from None

    def mended(self, said: str) -> None:
        """Type the remedies as verify has told them; then all holds."""
        meant = dict(re.findall(r"^(kubectl|helm), in these remedies, is (.+)$", said, re.MULTILINE))
        for line in dict.fromkeys(REMEDY.findall(said)):
            Shell(self.sandbox).run(re.sub(r"^(?:kubectl|helm)", lambda found: meant[found[0]], line))
        code, now = self.verify(COMES_UP_SECONDS)
        assert code == command.WORKS, now


@pytest.fixture(scope="module")
def deployed(
    plane: ControlPlane, network: PodNetwork | None, charts: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployed]:
    """The dev stack and the application, with something in every pod."""
    if network is None:
        pytest.skip("something must answer for pods, and this user may not make a network namespace")
    sandbox = OnCluster(tmp_path_factory.mktemp("verify"), plane=plane)
    copy_tree(sandbox.project)
    for file, change in FAST.items():
        sandbox.edit(file, *change)
    expected: list[Expected] = []

    def evaluated(stack: str) -> Expected:
        if not expected:  # it is the same each time
            expected.append(expectations(stack, sandbox.project))
        return expected[0]

    with Pods(plane, network) as pods, pytest.MonkeyPatch.context() as patch:
        plane.apply(*application.objects(catalogue.load(sandbox.project / "services.yaml")))
        for line in DEPLOY:
            Shell(sandbox).run(line)
            if line.startswith("pulumi stack init"):
                charts_from(sandbox, STACK, charts)
        patch.setenv("KUBECONFIG", str(plane.kubeconfig))
        write_kubectl(sandbox.root / "kubectl", tool("kubectl"))
        patch.setenv("PATH", str(sandbox.root), prepend=":")
        patch.setattr(command, "expectations", evaluated)
        patch.setattr(command, "PAUSE_SECONDS", 1)
        yield Deployed(sandbox, plane, pods)


def test_all_holds_after_a_deployment(deployed: Deployed) -> None:
    said = Shell(deployed.sandbox).run(VERIFY)
    assert all(f"ok  {check.name}: {check.holds}" in said for check in CHECKS if check.name != "policies")
    assert "Not shown: that the cluster enforces network policies" in said
    assert "Everything holds." in said


def test_the_claims_of_every_volume_are_known_by_their_names(deployed: Deployed) -> None:
    """Charts, the operator and the StatefulSets' controller name them; a size below theirs must be noticed."""
    settings = read_stack(deployed.sandbox.project / f"Pulumi.{STACK}.yaml")
    least = settings.storage.sizes.model_copy(update=dict.fromkeys(Sizes.model_fields, "1Mi"))
    smaller = settings.model_copy(update={"storage": settings.storage.model_copy(update={"sizes": least})})
    with closing(Kubectl(CONTEXT)) as cluster:
        wrong = [found.what for found in volumes.check(smaller).run(cluster, expectations(STACK))]
        assert sorted(what.partition(":")[0] for what in wrong) == sorted(
            f"storage.sizes.{part}" for part in storage.parts(settings) for _ in range(storage.replicas(settings, part))
        )
        assert volumes.check(settings).run(cluster, expectations(STACK)) == []


@pytest.mark.usefixtures("deployed")
def test_a_network_that_enforces_no_policies_is_found() -> None:
    with closing(Kubectl(CONTEXT)) as cluster:
        (finding,) = policies.enforced(cluster, expectations(STACK))
    assert "the network policies are not enforced" in finding.what


def test_what_was_deleted_comes_back(deployed: Deployed) -> None:
    lost = [
        "prometheusrule/order-processor-services",
        "servicemonitor/order-service",
        "configmap/dashboard-logs",
        "networkpolicy/prometheus",
    ]
    delete(deployed, *lost)
    said = deployed.found(*(f"{each} is missing" for each in lost), "order-service is not scraped")
    deployed.mended(said)


def test_a_configuration_that_alertmanager_would_refuse(deployed: Deployed) -> None:
    path = ("get", "secret", CONFIGURATION_SECRET, f"--namespace={NAMESPACE}", "--output=json")
    secret = json.loads(deployed.plane.kubectl(*path))["data"][CONFIGURATION_KEY]
    configuration = yaml.safe_load(base64.b64decode(secret))
    configuration["route"]["routes"][0]["receiver"] = "nobody-there"
    patch = json.dumps({"stringData": {CONFIGURATION_KEY: yaml.safe_dump(configuration)}})
    kubectl = ("patch", "secret", CONFIGURATION_SECRET, f"--namespace={NAMESPACE}", "--type=merge")
    deployed.plane.kubectl(*kubectl, f"--patch={patch}")
    wrong = f"secret/{CONFIGURATION_SECRET} is not what the program deploys"
    deployed.mended(deployed.found(wrong, "is not Reconciled", 'undefined receiver "nobody-there"'))


@pytest.mark.parametrize(
    ("workload", "also"),
    [
        ("deployment/kube-prometheus-stack-operator", "nothing is scraped for the job kube-prometheus-stack-operator"),
        ("statefulset/loki", "loki"),
    ],
)
def test_a_workload_that_was_scaled_to_nothing(deployed: Deployed, workload: str, also: str) -> None:
    deployed.plane.kubectl("scale", workload, "--replicas=0", f"--namespace={NAMESPACE}")
    deployed.mended(deployed.found(f"{workload} is scaled to 0, not 1", also))


def test_what_a_chart_has_made_comes_back(deployed: Deployed) -> None:
    lost = ["service/kube-prometheus-stack-alertmanager", "servicemonitor/loki"]
    delete(deployed, *lost)
    said = deployed.found(*(f"{each}, which the release" for each in lost))
    deployed.mended(said)


def test_a_release_that_helm_was_killed_over(deployed: Deployed) -> None:
    """Helm leaves the record of a revision that it has begun, and then refuses to begin another."""
    name = interrupted(deployed, "loki")
    deployed.mended(deployed.found("the Helm release loki was left pending-upgrade", name))


def test_a_target_that_does_not_answer(deployed: Deployed) -> None:
    with deployed.pods.silent("order-service"):
        deployed.found("order-service: http://", "HTTP status 502")  # of what adds up its routes
    code, said = deployed.verify(COMES_UP_SECONDS)
    assert code == command.WORKS, said


def test_what_a_user_may_not_read_is_not_known(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Someone who may look at workloads, but not into Secrets."""
    plane, account = deployed.plane, f"{NAMESPACE}:reader"
    plane.kubectl("create", "serviceaccount", "reader", f"--namespace={NAMESPACE}")
    plane.kubectl("create", "clusterrolebinding", "reader", "--clusterrole=view", f"--serviceaccount={account}")
    token = plane.kubectl("create", "token", "reader", f"--namespace={NAMESPACE}").strip()
    kubeconfig = plane.access.kubeconfig(plane.url, "reader")
    kubeconfig["users"][0]["user"] = {"token": token}
    path = plane.directory / "reader"
    path.write_text(yaml.safe_dump(kubeconfig))
    monkeypatch.setenv("KUBECONFIG", str(path))
    code, said = deployed.verify(COMES_UP_SECONDS, context="reader")
    assert code == command.UNKNOWN, said
    assert "FAIL" not in said
    assert "????  releases: not known whether" in said
    assert "ok  workloads" in said
    plane.kubectl("delete", "clusterrolebinding", "reader")
    plane.kubectl("delete", "serviceaccount", "reader", f"--namespace={NAMESPACE}")


def delete(deployed: Deployed, *objects: str) -> None:
    deployed.plane.kubectl("delete", *objects, f"--namespace={NAMESPACE}")


def interrupted(deployed: Deployed, release: str) -> str:
    """Add the record that an interrupted upgrade leaves; returns its name."""
    with deployed.plane.client() as client:
        path = f"/api/v1/namespaces/{NAMESPACE}/secrets"
        selector = {"labelSelector": f"owner=helm,name={release},status=deployed"}
        (newest,) = client.get(path, params=selector).raise_for_status().json()["items"]
        record = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(newest["data"]["release"]))))
        record["version"] += 1
        record["info"]["status"] = "pending-upgrade"
        text = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(record).encode()))).decode()
        name = f"sh.helm.release.v1.{release}.v{record['version']}"
        labels = newest["metadata"]["labels"] | {"version": str(record["version"]), "status": "pending-upgrade"}
        secret = {
            "type": newest["type"],
            "metadata": {"name": name, "labels": labels},
            "data": {"release": text},
        }
        client.post(path, json=secret).raise_for_status()
    return name
