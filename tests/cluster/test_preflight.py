"""`make preflight` before a real API server: silent before a cluster that can take prod, and each lack is named.

The account is moto's. Each test takes away one thing and gives it back.
"""

from __future__ import annotations

import base64
import functools
import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from click.testing import CliRunner
from moto import mock_aws

from checks.waiting import eventually
from control_plane.plane import CONTEXT, ControlPlane
from engine.toolchain import tool
from facts import NAMESPACE, ROOT
from settings import Settings, read_stack
from verify import account, preflight
from verify.__main__ import BROKEN, UNKNOWN, WORKS
from verify.expectations import expectations

STACK = "prod"
DRIVER = {"apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": {"name": preflight.EBS}, "spec": {}}
USER = "developer"


def settings() -> Settings:
    return read_stack(ROOT / f"Pulumi.{STACK}.yaml")


def network(*arguments: str) -> dict[str, Any]:
    """The DaemonSet of Amazon's network, which runs nothing here."""
    container = {"name": "aws-eks-nodeagent", "image": "example.com/image", "args": list(arguments)}
    labels = {"app": preflight.AMAZONS}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": preflight.AMAZONS, "namespace": "kube-system"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


@pytest.fixture(scope="module", autouse=True)
def ready(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cluster and an account that can take prod, but for Redis, which moto's account cannot find by its tags."""
    programs = tmp_path_factory.mktemp("programs")
    (programs / "kubectl").symlink_to(tool("kubectl"))
    plane.apply(DRIVER, network("--enable-network-policy=true"))
    untainted(plane)
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        patch.setenv("KUBECONFIG", str(plane.kubeconfig))
        patch.setenv("PATH", str(programs), prepend=":")
        patch.setattr(account, "TAGGED", account.TAGGED[:1])
        patch.setattr(preflight, "expectations", functools.cache(expectations))
        _account()
        yield
    plane.kubectl("delete", "csidriver", preflight.EBS)


def _account() -> None:
    aws = settings().aws
    assert aws
    network_ids = [each["SubnetId"] for each in boto3.client("ec2", aws.region).describe_subnets()["Subnets"][:2]]
    tags = [{"Key": "Project", "Value": "order-processor"}]
    boto3.client("elbv2", aws.region).create_load_balancer(Name="gateway", Subnets=network_ids, Tags=tags)
    cluster = {"name": aws.cluster_name, "roleArn": "arn:aws:iam::123456789012:role/cluster", "resourcesVpcConfig": {}}
    made = boto3.client("eks", aws.region).create_cluster(**cluster)["cluster"]
    boto3.client("iam").create_open_id_connect_provider(
        Url=made["identity"]["oidc"]["issuer"], ThumbprintList=["a" * 40], ClientIDList=["sts.amazonaws.com"]
    )


def untainted(plane: ControlPlane) -> None:
    """Wait until the controllers have taken the taints off the nodes."""
    taints = ("get", "nodes", "--output=jsonpath={.items[*].spec.taints}")
    eventually(lambda: not plane.kubectl(*taints), what="nodes are tainted")


def judged(stack: str = STACK) -> tuple[int, str]:
    """`make preflight`: its exit code, and what it says."""
    arguments = ["--stack", stack, "--context", CONTEXT]
    result = CliRunner().invoke(preflight.main, arguments, catch_exceptions=False)
    return result.exit_code, result.output


def finds(*texts: str) -> None:
    """It fails, and says all of this."""
    code, said = judged()
    assert code == BROKEN, said
    assert [text for text in texts if text not in said] == [], said


@contextmanager
def there(plane: ControlPlane, item: dict[str, Any]) -> Iterator[None]:
    """While an object is there."""
    plane.apply(item)
    yield
    metadata = item["metadata"]
    where = [f"--namespace={metadata['namespace']}"] if "namespace" in metadata else []
    plane.kubectl("delete", item["kind"], metadata["name"], *where, "--wait=true")


def test_a_cluster_that_can_take_the_stack_passes() -> None:
    code, said = judged()
    assert code == WORKS, said
    checks = preflight.checks(settings(), lambda *_: True)
    assert [check.name for check in checks if f"ok  {check.name}: {check.holds}" not in said] == []


def test_what_storage_lacks_is_named(plane: ControlPlane) -> None:
    plane.kubectl("delete", "csidriver", preflight.EBS)
    finds("the CSI driver ebs.csi.aws.com is not installed", "create-addon --addon-name aws-ebs-csi-driver")
    plane.apply(DRIVER)
    rigid = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": "gp3"},
        "provisioner": preflight.EBS,
    }
    with there(plane, rigid):
        finds("the storage class gp3 cannot expand volumes", 'patch storageclass gp3 --patch \'{"allowVolumeExpansion"')
    code, said = judged("dev")  # whose volumes are on a node's path
    assert code == BROKEN
    assert "the cluster has 3 nodes, and storage.node names none of them" in said
    assert "set storage.node to one of: node-0, node-1, node-2" in said


def test_nodes_without_room_are_named(plane: ControlPlane) -> None:
    plane.kubectl("cordon", "node-1", "node-2")
    finds("fits on no node without another of them; most free is node-0", "add nodes")
    plane.kubectl("cordon", "node-0")
    finds("no node takes pods", "is each one cordoned or tainted?")
    plane.kubectl("uncordon", "node-0", "node-1", "node-2")
    untainted(plane)
    hungry = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "hungry", "namespace": "default"},
        "spec": {
            "nodeName": "node-0",
            "containers": [{"name": "c", "image": "example.com/image", "resources": {"requests": {"cpu": "3950m"}}}],
        },
    }
    with there(plane, hungry):
        finds("a pod of log-agent, which requests 100m CPU and 128Mi, does not fit on node-0 with")


def test_a_network_that_enforces_nothing_is_named(plane: ControlPlane) -> None:
    plane.apply(network("--enable-network-policy=false"))
    finds("the VPC CNI does not enforce network policies", "update-addon --addon-name vpc-cni")
    plane.kubectl("delete", "daemonset", preflight.AMAZONS, "--namespace=kube-system")
    code, said = judged()
    assert code == UNKNOWN, said
    assert "no network that is known to enforce policies runs here" in said
    plane.apply(network("--enable-network-policy=true"))


def test_what_is_in_the_way_in_the_namespace_is_named(plane: ControlPlane) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    foreign = network()
    foreign["metadata"] = {"name": "older-monitoring", "namespace": NAMESPACE}
    record = {
        "name": "loki",
        "version": 2,
        "info": {"status": "pending-upgrade"},
        "chart": {"metadata": {"name": "loki", "version": "18.11.0"}},
    }
    packed = base64.b64encode(gzip.compress(json.dumps(record).encode())).decode()
    pending = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "helm.sh/release.v1",
        "metadata": {
            "name": "sh.helm.release.v1.loki.v2",
            "namespace": NAMESPACE,
            "labels": {"owner": "helm", "name": "loki", "version": "2", "status": "pending-upgrade"},
        },
        "stringData": {"release": packed},
    }
    with there(plane, namespace):
        with there(plane, foreign), there(plane, pending):
            finds(
                "daemonset/older-monitoring is not the stack's, and pulumi destroy would delete it",
                "the Helm release loki was left pending-upgrade in its revision 2",
                "kubectl delete secret sh.helm.release.v1.loki.v2",
            )
        assert judged()[0] == WORKS
    eventually(lambda: judged()[0] == WORKS, what="the namespace is not free")


def test_what_a_user_may_not_make_is_named(
    plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plane.kubectl("create", "clusterrolebinding", USER, "--clusterrole=edit", f"--user={USER}")
    configuration = yaml.safe_load(plane.kubeconfig.read_text())
    configuration["users"][0]["user"]["as"] = USER
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(configuration))
    finds(
        "this user may not create clusterroles.rbac.authorization.k8s.io in the cluster",
        "this user may not create namespaces in the cluster",
        "access entry of AmazonEKSClusterAdminPolicy",
    )
    assert f"may not create deployments.apps in {NAMESPACE}" not in judged()[1]
    plane.kubectl("delete", "clusterrolebinding", USER)


def test_what_the_account_lacks_is_named_and_what_it_does_not_say_is_unknown() -> None:
    aws = settings().aws
    assert aws
    (finding,) = account.tags(aws.model_copy(update={"tags": {"Project": "^another$"}}))
    assert "aws.tags find no elasticloadbalancing:loadbalancer in us-west-2" in finding.what
    s3 = boto3.client("s3", aws.region)
    s3.create_bucket(Bucket="taken", CreateBucketConfiguration={"LocationConstraint": aws.region})
    (finding,) = account.bucket(aws, "taken")
    assert finding.unknown
    assert "pulumi import aws:s3/bucket:Bucket logs taken" in finding.do
    iam = boto3.client("iam")
    (provider,) = iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=provider["Arn"])
    (finding,) = account.provider(aws)
    assert "has no OpenID Connect provider" in finding.what
    (finding,) = account.provider(aws.model_copy(update={"cluster_name": "another"}))
    assert finding.what == "aws.clusterName: us-west-2 has no cluster another"
