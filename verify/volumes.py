"""`python -m verify.volumes --stack prod --context NAME`: would a deployment want volumes smaller than they are?

Kubernetes shrinks no volume. The claims stay as they are, and Prometheus deletes blocks down to nine tenths of the
smaller size: so it is refused before Pulumi runs.
"""

from __future__ import annotations

import re
from typing import Any

import click

import parts
from components import storage
from facts import NAMESPACE, ROOT
from quantities import quantity
from settings import Settings, read_stack, stack_file
from targets import Target
from verify.__main__ import judge, verify
from verify.checks import Check
from verify.cluster import Cluster, Kubectl
from verify.expectations import expectations
from verify.finding import Finding
from verify.objects import items, listing

CLAIMS = listing("v1", "PersistentVolumeClaim", NAMESPACE)


def check(settings: Settings) -> Check:
    """That no volume of a stack with these settings would have to shrink."""
    return Check(
        "volumes",
        "no volume would have to shrink",
        lambda cluster, _: [] if settings.storage.kind == "ephemeral" else _smaller(cluster, settings),
    )


def _smaller(cluster: Cluster, settings: Settings) -> list[Finding]:
    claims = items(cluster, CLAIMS)
    return [
        Finding(
            f"storage.sizes.{part.setting}: {wanted} is less than the {_size(claim)} of {claim['metadata']['name']}",
            f"write {_size(claim)}, as volumes never shrink; to start with less, and without what it holds, delete the "
            "claim and its pod first: docs/deploying.md",
        )
        for part in parts.ALL
        if part.setting in storage.parts(settings)
        for wanted in [storage.size(settings, part.setting)]
        for claim in claims
        if _belongs(claim["metadata"]["name"], part.workload) and quantity(_size(claim)) > quantity(wanted)
    ]


def _belongs(claim: str, workload: str) -> bool:
    """Claims are called after a template, their StatefulSet and a number; Grafana's after its Deployment.

    Where Loki's parts are apart, each has a StatefulSet, such as loki-ingester.
    """
    return claim == workload or re.fullmatch(rf"[a-z-]+-{workload}(-[a-z-]+)?-[0-9]+", claim) is not None


def _size(claim: Any) -> str:
    return str(claim["spec"]["resources"]["requests"]["storage"])


@click.command(cls=Target, example="make deploy STACK=prod")
@click.option("--stack", required=True, help="Stack that is to be deployed: dev, prod, …")
@click.option("--context", required=True, help="kubectl context of its cluster; never guessed.")
def main(stack: str, context: str) -> None:
    """Check that a stack asks for no volume smaller than the one there is; nothing in the cluster is changed.

    Exit 0: it does not. 1: it does. 2: it is not known. 130: interrupted.
    """

    def look(cluster: Kubectl) -> int:
        settings = read_stack(stack_file(ROOT, stack))
        return verify(cluster, expectations(stack), 0, (check(settings),))

    judge(stack, context, f"Comparing the volumes in the context {context} with the stack {stack}:", look)


if __name__ == "__main__":
    main(prog_name="verify.volumes")
