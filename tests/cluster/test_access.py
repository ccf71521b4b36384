"""What each service account of a stack may do, and may not, as the API server's authorizer sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from control_plane.plane import ControlPlane
from facts import NAMESPACE
from tests.cluster.conftest import Rendering
from tests.cluster.test_skeletons import Render, of
from tests.cluster.test_skeletons import render as render

KINDS = ("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
STACK = "kube-prometheus-stack"
MOUNTED = "automountServiceAccountToken"


@dataclass(frozen=True)
class Action:
    """Something that one may or may not do."""

    verb: str
    resource: str
    """A plural name with its group, `deployments.apps`, with a subresource behind a stroke; or a path."""
    namespace: str = ""
    """Where; empty for the whole cluster."""

    @property
    def attributes(self) -> dict[str, Any]:
        """As a SubjectAccessReview has it."""
        if self.resource.startswith("/"):
            return {"nonResourceAttributes": {"path": self.resource, "verb": self.verb}}
        name, _, subresource = self.resource.partition("/")
        plural, _, group = name.partition(".")
        asked = {"group": group, "resource": plural, "subresource": subresource, "namespace": self.namespace}
        return {"resourceAttributes": {"verb": self.verb, **asked}}


def lists(*resources: str, namespace: str = "") -> list[Action]:
    return [Action("list", resource, namespace) for resource in resources]


READ_SECRETS = lists("secrets")
TAKE_OVER = [
    Action("create", "pods"),
    Action("create", "pods/exec"),
    Action("create", "clusterrolebindings.rbac.authorization.k8s.io"),
    Action("escalate", "clusterroles.rbac.authorization.k8s.io"),
    Action("impersonate", "serviceaccounts"),
    Action("create", "serviceaccounts/token"),
    Action("delete", "nodes"),
]
"""What would make an account as good as an administrator: none may do any of it."""
WORKLOADS = ["pods", "nodes", "deployments.apps", "statefulsets.apps", "daemonsets.apps", "persistentvolumeclaims"]

MAY: Mapping[str, Sequence[Action]] = {
    f"{STACK}-prometheus": [
        *lists("pods", "services", "nodes", "endpointslices.discovery.k8s.io"),
        *[Action("get", "nodes/metrics"), Action("get", "/metrics"), Action("get", "/metrics/cadvisor")],
    ],
    f"{STACK}-operator": [
        *lists("secrets", "prometheusrules.monitoring.coreos.com", "servicemonitors.monitoring.coreos.com"),
        *[Action("create", "statefulsets.apps"), Action("update", "secrets"), Action("create", "configmaps")],
        *[Action("update", "prometheuses.monitoring.coreos.com/status"), Action("create", "events")],
    ],
    f"{STACK}-kube-state-metrics": lists(*WORKLOADS, "jobs.batch", "replicasets.apps"),
    f"{STACK}-grafana": [*lists("configmaps", namespace=NAMESPACE), Action("watch", "configmaps", NAMESPACE)],
    "kubernetes-events": [*lists("events"), Action("watch", "events")],
}
"""What an account needs."""
READS_SECRETS = {f"{STACK}-operator"}
"""It takes over credentials that monitors name, and writes what it makes into Secrets."""


@pytest.fixture(scope="module", params=["dev", "prod"])
def accounts(
    request: pytest.FixtureRequest, plane: ControlPlane, render: Render, stacks: dict[str, Rendering]
) -> list[str]:
    """The service accounts of a stack, with their roles in force."""
    rendered = render(request.param)
    plane.apply(*stacks[request.param].of("Namespace"))
    plane.apply(*(item for kind in ("Role", "RoleBinding") for item in stacks[request.param].of(kind)))
    plane.apply(*(dict(item) for kind in KINDS for item in of(kind, placed(rendered))))
    return sorted({"default", *(item["metadata"]["name"] for item in of("ServiceAccount", rendered))})


def placed(objects: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The objects in the namespace of their release, where they name none and are not the whole cluster's."""
    return [
        {
            **item,
            "metadata": ({} if item["kind"].startswith("Cluster") else {"namespace": NAMESPACE}) | item["metadata"],
        }
        for item in objects
    ]


def allowed(plane: ControlPlane, account: str, actions: Sequence[Action]) -> list[Action]:
    """Those of the actions that the account may do."""
    user, groups = f"system:serviceaccount:{NAMESPACE}:{account}", ["system:serviceaccounts", "system:authenticated"]
    with plane.client() as client:
        return [
            action
            for action in actions
            if client.post(
                "/apis/authorization.k8s.io/v1/subjectaccessreviews",
                json={
                    "apiVersion": "authorization.k8s.io/v1",
                    "kind": "SubjectAccessReview",
                    "spec": {"user": user, "groups": groups, **action.attributes},
                },
            )
            .raise_for_status()
            .json()["status"]["allowed"]
        ]


def test_every_account_may_do_what_it_needs(plane: ControlPlane, accounts: list[str]) -> None:
    for account, needed in MAY.items():
        assert account in accounts
        assert allowed(plane, account, needed) == list(needed), account


def test_none_may_take_the_cluster_over(plane: ControlPlane, accounts: list[str]) -> None:
    for account in accounts:
        assert allowed(plane, account, TAKE_OVER) == [], account


def test_only_the_operator_reads_secrets(plane: ControlPlane, accounts: list[str]) -> None:
    assert {account for account in accounts if allowed(plane, account, READ_SECRETS)} == READS_SECRETS
    beside = lists("secrets", namespace=NAMESPACE)
    assert {account for account in accounts if allowed(plane, account, beside)} == READS_SECRETS
    elsewhere = lists("secrets", "configmaps", namespace="default")
    assert {account for account in accounts if allowed(plane, account, elsewhere)} == READS_SECRETS


def test_those_that_need_nothing_may_do_nothing(plane: ControlPlane, accounts: list[str]) -> None:
    everything = [action for actions in MAY.values() for action in actions if not action.resource.startswith("/")]
    for account in set(accounts) - set(MAY):
        assert allowed(plane, account, [*everything, *READ_SECRETS]) == [], account


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_only_those_that_may_do_something_have_a_token(render: Render, stack: str) -> None:
    objects = render(stack)
    mounted = {item["metadata"]["name"]: item.get(MOUNTED, True) for item in of("ServiceAccount", objects)}
    pods = [
        item["spec"]["template"]["spec"]
        for kind in ("DaemonSet", "Deployment", "StatefulSet")
        for item in of(kind, objects)
    ]
    having = {pod["serviceAccountName"] for pod in pods if pod.get(MOUNTED, mounted[pod["serviceAccountName"]])}
    assert having == {account for account in MAY if account in mounted} - {f"{STACK}-prometheus"}  # the operator's pod
