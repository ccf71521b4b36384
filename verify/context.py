"""`python -m verify.context STACK`: the kubectl context that a stack names, or a refusal.

Whatever kubectl happens to point at is no answer to where a deployment should go.
"""

from __future__ import annotations

import click

from facts import ROOT
from settings import KEY, read_stack, stack_file
from targets import Target
from validation import InvalidInputError


def context_of(stack: str, context: str = "", *, reads: bool) -> str:
    """The kubectl context that a stack names, or else the one given, to whoever only `reads`.

    Raises ClickException if there is none, or the stack names another than the one given.
    """
    try:
        named = read_stack(stack_file(ROOT, stack)).kube_context
    except InvalidInputError as error:
        raise click.ClickException(error.alone) from None
    if named is None and not (context and reads):
        alone = f"CONTEXT={context} serves only what reads; " if context else ""
        raise click.ClickException(
            f"{alone}the stack {stack} names no Kubernetes context; `kubectl config get-contexts` lists them. "
            f"{'Name one with CONTEXT=NAME, or set' if reads else 'Set'} one with: "
            f"pulumi config set --stack {stack} --path '{KEY}.kubeContext' NAME"
        )
    if named and context not in ("", named):
        raise click.ClickException(
            f"CONTEXT={context}: the stack {stack} belongs in the context {named}, as its kubeContext says; "
            "leave CONTEXT out, or change the setting"
        )
    return named or context


@click.command(cls=Target, example="make deploy STACK=dev")
@click.option("--reads", is_flag=True, help="The caller only reads: CONTEXT serves where the stack names none.")
@click.argument("stack")
@click.argument("context", default="")
def main(stack: str, context: str, reads: bool) -> None:
    """Print the context; exit 1 and say what to do if the stack names none, or another than CONTEXT."""
    click.echo(context_of(stack, context, reads=reads))


if __name__ == "__main__":
    main(prog_name="verify.context")
