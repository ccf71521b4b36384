"""`python -m verify.context STACK`: the kubectl context that a stack names, or a refusal.

Whatever kubectl happens to point at is no answer to where a deployment should go.
"""

from __future__ import annotations

import click

from facts import ROOT
from settings import KEY, read_stack, stack_file
from targets import Target
from validation import InvalidInputError


@click.command(cls=Target, example="make deploy STACK=dev")
@click.argument("stack")
def main(stack: str) -> None:
    """Print the context; exit 1 and say how to set it if the stack names none."""
    try:
        found = read_stack(stack_file(ROOT, stack)).kube_context
    except InvalidInputError as error:
        raise click.ClickException(error.alone) from None
    if found is None:
        raise click.ClickException(
            f"the stack {stack} names no Kubernetes context; `kubectl config get-contexts` lists them. Set one with: "
            f"pulumi config set --stack {stack} --path '{KEY}.kubeContext' NAME"
        )
    click.echo(found)


if __name__ == "__main__":
    main(prog_name="verify.context")
