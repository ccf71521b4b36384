"""`python -m verify.preflight --stack prod --context NAME`: can a cluster take a stack, before it is deployed?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import click

from facts import NAMESPACE, ROOT
from settings import Settings, read_stack, stack_file
from targets import Target
from verify import account, releases, room, volumes
from verify.__main__ import judge, verify
from verify.checks import Check
from verify.cluster import Cluster, Kubectl, NotServedError
from verify.expectations import Expected, expectations
from verify.finding import Finding
from verify.objects import items, listing, plural

OLDEST = 25
"""Minor version of the oldest Kubernetes that the stack says it runs on: docs/deploying.md."""
EBS = "ebs.csi.aws.com"
STORAGE = "storage.k8s.io/v1"
ENFORCING = ("calico", "cilium", "antrea", "kube-router", "weave", "kindnet")
"""What the DaemonSet of a network that enforces policies is called. Amazon's does if it is told to."""
AMAZONS = "aws-node"
OF_CHARTS = (
    *("serviceaccounts", "services", "secrets", "configmaps", "persistentvolumeclaims"),
    *("deployments.apps", "statefulsets.apps", "daemonsets.apps", "jobs.batch"),
    *("roles.rbac.authorization.k8s.io", "rolebindings.rbac.authorization.k8s.io"),
)
OF_CHARTS_IN_THE_CLUSTER = (
    *("clusterroles.rbac.authorization.k8s.io", "clusterrolebindings.rbac.authorization.k8s.io"),
    "customresourcedefinitions.apiextensions.k8s.io",
    "validatingwebhookconfigurations.admissionregistration.k8s.io",
    "mutatingwebhookconfigurations.admissionregistration.k8s.io",
)
"""Kinds that the charts make, as `kubectl auth can-i` takes them."""

May = Callable[[str, str, str], bool]
"""Whether this user may do a verb to a kind, in a namespace or, where it is empty, in the cluster."""


def checks(settings: Settings, may: May) -> tuple[Check, ...]:
    """What must hold before a stack with these settings can be deployed."""
    aws = settings.aws
    found = [
        Check("version", f"the cluster is Kubernetes 1.{OLDEST} or newer", _version),
        Check("permissions", "this user may make every kind that the stack has", _permissions(may)),
        Check("namespace", f"the namespace {NAMESPACE} is free, or holds nothing that is not the stack's", _namespace),
        Check("leftovers", "no Helm release was left halfway", _leftovers),
        Check(
            "room",
            "the nodes have room for what the pods request",
            lambda cluster, _: list(room.lacking(cluster, settings)),
            "that the charts' smallest containers fit, too: sidecars are not counted",
        ),
        Check("storage", "there is somewhere to put the volumes", lambda cluster, _: _storage(cluster, settings)),
        volumes.check(settings),
        Check(
            "policies",
            "the cluster's network enforces network policies",
            _network,
            "that policies are enforced: the network is known by its name; make verify tries it once there are pods",
            lambda expected: expected.policies_enforced,
        ),
    ]
    if aws:
        found.append(Check("roles", "pods can take roles of the account", lambda *_: account.provider(aws)))
    if aws and aws.log_bucket:
        name = aws.log_bucket
        found.append(Check("bucket", "the name of the log bucket is free", lambda *_: account.bucket(aws, name)))
    if aws and aws.tags:
        found.append(Check("tags", "aws.tags find the load balancer and Redis", lambda *_: account.tags(aws)))
    return tuple(found)


def _version(cluster: Cluster, _: Expected) -> list[Finding]:
    found = cluster.get("/version")
    minor = int("".join(filter(str.isdigit, found["minor"])))
    if (int(found["major"]), minor) >= (1, OLDEST):
        return []
    return [Finding(f"the cluster is Kubernetes {found['gitVersion']}", f"upgrade it to 1.{OLDEST} or newer")]


def _permissions(may: May) -> Callable[[Cluster, Expected], list[Finding]]:
    def look(_: Cluster, expected: Expected) -> list[Finding]:
        ours = {(_resource(each.api_version, each.kind), each.namespace) for each in expected.objects}
        kinds = ours | {(kind, NAMESPACE) for kind in OF_CHARTS} | {(kind, "") for kind in OF_CHARTS_IN_THE_CLUSTER}
        return [
            Finding(
                f"this user may not create {kind} {f'in {namespace}' if namespace else 'in the cluster'}",
                "deploy as a user with the role cluster-admin; on EKS: an access entry of AmazonEKSClusterAdminPolicy",
            )
            for kind, namespace in sorted(kinds)
            if not may("create", kind, namespace)
        ]

    return look


def _resource(api_version: str, kind: str) -> str:
    group, slash, _ = api_version.rpartition("/")
    return f"{plural(kind)}.{group}" if slash else plural(kind)


def _namespace(cluster: Cluster, expected: Expected) -> list[Finding]:
    try:
        found = cluster.get(f"/api/v1/namespaces/{NAMESPACE}")
    except NotServedError:
        return []
    if found["status"].get("phase") == "Terminating":
        return [Finding(f"the namespace {NAMESPACE} is being deleted", "wait until it is gone: kubectl get namespaces")]
    ours = {release.name for release in expected.releases}
    return [
        Finding(
            f"{kind.lower()}/{item['metadata']['name']} is not the stack's, and pulumi destroy would delete it with "
            f"the namespace",
            "move it to another namespace, or leave it knowingly: the stack takes the namespace over",
        )
        for kind in ("Deployment", "StatefulSet", "DaemonSet")
        for item in items(cluster, listing("apps/v1", kind, NAMESPACE))
        if not _belongs(item["metadata"], ours)
    ]


def _belongs(metadata: Mapping[str, Any], ours: set[str]) -> bool:
    """Whether Pulumi, a release of the stack, or the operator made an object."""
    made_by_pulumi = metadata.get("labels", {}).get("app.kubernetes.io/managed-by") == "pulumi"
    release = metadata.get("annotations", {}).get("meta.helm.sh/release-name")
    return made_by_pulumi or release in ours or "ownerReferences" in metadata


def _leftovers(cluster: Cluster, expected: Expected) -> list[Finding]:
    return releases.left_halfway(cluster, expected.stack)


def _storage(cluster: Cluster, settings: Settings) -> list[Finding]:
    wanted = settings.storage
    if wanted.kind == "local":
        return list(_local(cluster, wanted.node))
    if wanted.kind == "ephemeral":
        return []
    classes = {item["metadata"]["name"]: item for item in items(cluster, listing(STORAGE, "StorageClass", ""))}
    there = classes.get(wanted.class_name)
    if there is None and not wanted.create_class:
        known = ", ".join(sorted(classes)) or "none"
        return [
            Finding(
                f"there is no storage class {wanted.class_name}; the cluster has: {known}",
                "name one of these as storage.className, or have it made: storage.createClass: true",
            )
        ]
    found = []
    if there and not there.get("allowVolumeExpansion"):
        found.append(
            Finding(
                f"the storage class {wanted.class_name} cannot expand volumes: one that is full stays so",
                f"kubectl patch storageclass {wanted.class_name} --patch '{{\"allowVolumeExpansion\":true}}'",
            )
        )
    driver = there["provisioner"] if there else EBS
    drivers = {item["metadata"]["name"] for item in items(cluster, f"/apis/{STORAGE}/csidrivers")}
    if driver not in drivers and "/" not in driver:  # a provisioner with a stroke is no CSI driver
        remedy = "aws eks create-addon --addon-name aws-ebs-csi-driver" if driver == EBS else "install it"
        found.append(Finding(f"the CSI driver {driver} is not installed: claims stay Pending", remedy))
    return found


def _local(cluster: Cluster, node: str | None) -> Iterator[Finding]:
    """Volumes on a path belong to one node, which must be known."""
    names = sorted(item["metadata"]["labels"].get("kubernetes.io/hostname", "") for item in items(cluster, room.NODES))
    if node is None and len(names) > 1:
        yield Finding(f"the cluster has {len(names)} nodes, and storage.node names none of them", _named(names))
    elif node is not None and node not in names:
        yield Finding(f"storage.node: {node} is no node of the cluster", _named(names))


def _named(names: list[str]) -> str:
    return f"set storage.node to one of: {', '.join(names)}"


def _network(cluster: Cluster, _: Expected) -> list[Finding]:
    running = {item["metadata"]["name"]: item for item in items(cluster, listing("apps/v1", "DaemonSet", ""))}
    if any(name.startswith(ENFORCING) for name in running):
        return []
    remedy = "install one that does, or accept it by access.enforced: false; make verify tries it after the deployment"
    if AMAZONS not in running:
        return [Finding("no network that is known to enforce policies runs here", remedy, unknown=True)]
    containers = running[AMAZONS]["spec"]["template"]["spec"]["containers"]
    if any("--enable-network-policy=true" in (each.get("args") or ()) for each in containers):
        return []
    return [
        Finding(
            "the VPC CNI does not enforce network policies",
            'aws eks update-addon --addon-name vpc-cni --configuration-values \'{"enableNetworkPolicy": "true"}\'',
        )
    ]


@click.command(cls=Target, example="make preflight STACK=prod CONTEXT=prod")
@click.option("--stack", required=True, help="Stack that is to be deployed: dev, prod, …")
@click.option("--context", required=True, help="kubectl context of its cluster; never guessed.")
def main(stack: str, context: str) -> None:
    """Check that a cluster can take a stack; nothing in it is changed.

    Exit 0: everything holds. 1: something does not, and it is said what. 2: it is not known. 130: interrupted.
    """

    def look(cluster: Kubectl) -> int:
        settings = read_stack(stack_file(ROOT, stack))
        return verify(cluster, expectations(stack), 0, checks(settings, cluster.may))

    judge(stack, context, f"Checking whether the context {context} can take the stack {stack}:", look)


if __name__ == "__main__":
    main(prog_name="verify.preflight")
