"""What keeps a protected stack whole: one resource that nothing is destroyed before."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

NAME = "destroy-protection"


def guard(protect: bool, everything: Sequence[pulumi.Resource]) -> pulumi.Stash:
    """A resource of the stack's state alone that depends on all others, protected where `protect` says so.

    The engine destroys what depends on others first, and ends where something is protected: so it ends before anything
    is gone, even without the preview that would refuse. Protecting each resource instead would also keep `pulumi up`
    from removing a rule or a service. It is there without protection, too: what is protected cannot be removed.
    """
    opts = pulumi.ResourceOptions(depends_on=everything, protect=protect)
    return pulumi.Stash(NAME, input="while protected, nothing of this stack is destroyed", opts=opts)
