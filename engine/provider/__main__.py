"""The plugin's process: started by the engine, which reads the port from its first line of output."""

from __future__ import annotations

import importlib.metadata
import os
from pathlib import Path

import click
import grpc  # type: ignore[import-untyped]
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

from engine.provider.aws import Aws
from engine.provider.kubernetes import Kubernetes
from engine.provider.model import Model
from engine.provider.service import Provider, serve
from engine.provider.store import Store

_MODELS: dict[str, type[Model]] = {"aws": Aws, "kubernetes": Kubernetes}


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("package", type=click.Choice(sorted(_MODELS)))
@click.option("--store", type=click.Path(path_type=Path), required=True, help="Directory of the objects.")
@click.argument("engine", nargs=-1)
def main(package: str, store: Path, engine: tuple[str, ...]) -> None:
    """Stand in for the provider PACKAGE until the ENGINE that started this process, at that address, ends."""
    parent = os.getppid()
    provider = Provider(_MODELS[package](), Store(store), importlib.metadata.version(f"pulumi-{package}"))
    server, port = serve(provider)
    click.echo(port)
    if engine:
        _tell(engine[-1], f"{package}: a stand-in that writes files; nothing validates, renders or runs the objects")
    while os.getppid() == parent:
        server.wait_for_termination(timeout=0.5)
    os._exit(0)  # whatever a call is still waiting for


def _tell(engine: str, message: str) -> None:
    """Show a message among the engine's diagnostics."""
    with grpc.insecure_channel(engine) as channel:
        request = engine_pb2.LogRequest(severity=engine_pb2.INFO, message=message)
        engine_pb2_grpc.EngineStub(channel).Log(request)


if __name__ == "__main__":
    main()
