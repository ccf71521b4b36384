"""The provider protocol: what the engine asks, answered from a model's rules and a store."""

# ruff: noqa: ARG002, N802 - the protocol's names and signatures
from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from concurrent import futures
from typing import Any

import grpc  # type: ignore[import-untyped]
from google.protobuf import empty_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from engine.provider.model import InvalidPropertyError, Model
from engine.provider.store import ApiError, Store
from engine.provider.values import (
    Change,
    Properties,
    changes,
    decode,
    encode,
    merge,
    path_text,
    reveal,
    secret,
    unknown,
)

_Call = Callable[[Any, Any, grpc.ServicerContext], Any]


def _answers(call: _Call) -> _Call:
    """Turn an API error into the protocol's, which the engine shows and records."""

    @functools.wraps(call)
    def answer(service: Provider, request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return call(service, request, context)
        except ApiError as error:
            context.abort(grpc.StatusCode.UNKNOWN, str(error))

    return answer


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """A stand-in provider: one model's objects in one store. Previews write nothing."""

    def __init__(self, model: Model, store: Store, version: str) -> None:
        self._model = model
        self._store = store
        self._version = version

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Say which version is stood in for."""
        return plugin_pb2.PluginInfo(version=self._version)

    def CheckConfig(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Accept any option."""
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Options change in place."""
        return _diff_response(list(changes(_plain(request.old_inputs), _plain(request.news))), fixed=[])

    def Configure(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Take the options."""
        self._model.configure(_plain(request.args))
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    def Check(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Fill in names; refuse what cannot be an object at all."""
        seed = hashlib.sha256(request.urn.encode()).hexdigest()[:7]  # not random: a rendering must not change by itself
        try:
            inputs = self._model.check(request.type, request.name, decode(request.news), _plain(request.olds), seed)
        except InvalidPropertyError as error:
            failure = provider_pb2.CheckFailure(property=error.name, reason=str(error))
            return provider_pb2.CheckResponse(failures=[failure])
        return provider_pb2.CheckResponse(inputs=encode(inputs))

    def Diff(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Name the properties that differ, and those that only a replacement can change."""
        differing = list(changes(_plain(request.old_inputs), _plain(request.news)))
        fixed = [change for change in differing if self._model.fixed(request.type, change.path)]
        return _diff_response(differing, fixed)

    @_answers
    def Create(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Write a new object."""
        inputs = decode(request.properties)
        plain: Properties = reveal(inputs)
        if request.preview:
            return provider_pb2.CreateResponse(properties=self._outputs(request, inputs, preview=True))
        key = self._model.key(request.type, plain)
        self._model.admit(request.type, plain, self._store)
        self._store.create(key, self._model.document(request.type, plain), request.urn)
        self._store.record("create", request.type, key.name)
        identifier = self._model.identifier(request.type, plain)
        return provider_pb2.CreateResponse(id=identifier, properties=self._outputs(request, inputs))

    @_answers
    def Update(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Write an object anew."""
        inputs = decode(request.news)
        if not request.preview:
            plain: Properties = reveal(inputs)
            key = self._model.key(request.type, plain)
            self._store.update(key, self._model.document(request.type, plain), request.urn)
            self._store.record("update", request.type, key.name)
        return provider_pb2.UpdateResponse(properties=self._outputs(request, inputs))

    @_answers
    def Delete(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Remove an object."""
        key = self._model.key(request.type, _plain(request.old_inputs))
        self._store.delete(key)
        self._store.record("delete", request.type, key.name)
        return empty_pb2.Empty()

    @_answers
    def Read(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Say whether a known object is still there. Objects that the program did not make cannot be read."""
        if not request.inputs.fields:
            raise ApiError(f"{request.id}: the stand-in reads only what the program made")
        if not self._store.exists(self._model.key(request.type, _plain(request.inputs))):
            return provider_pb2.ReadResponse()
        return provider_pb2.ReadResponse(id=request.id, properties=request.properties, inputs=request.inputs)

    @_answers
    def Invoke(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Look something up."""
        result = self._model.invoke(request.tok, _plain(request.args))
        return provider_pb2.InvokeResponse(**{"return": encode(result)})

    def Cancel(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Nothing takes long enough to be cancelled."""
        return empty_pb2.Empty()

    def _outputs(self, request: Any, inputs: Properties, preview: bool = False) -> Any:
        """The inputs with their secrets marked, and what the cluster adds; unknown before it exists."""
        computed = self._model.computed(request.type, request.urn, reveal(inputs))
        outputs = merge(inputs, unknown(computed) if preview else computed)
        sealed = {name: secret(outputs[name]) for name in self._model.sealed(request.type) if name in outputs}
        return encode(outputs | sealed)


def _plain(struct: Any) -> Properties:
    properties: Properties = reveal(decode(struct))
    return properties


def _diff_response(differing: list[Change], fixed: list[Change]) -> Any:
    kinds = provider_pb2.PropertyDiff.Kind
    detailed = {
        path_text(change.path): provider_pb2.PropertyDiff(
            kind=kinds.Value(change.kind.upper() + ("_REPLACE" if change in fixed else "")), inputDiff=True
        )
        for change in differing
    }
    return provider_pb2.DiffResponse(
        changes=provider_pb2.DiffResponse.DIFF_SOME if differing else provider_pb2.DiffResponse.DIFF_NONE,
        diffs=sorted({str(change.path[0]) for change in differing}),
        replaces=[path_text(change.path) for change in fixed],
        detailedDiff=detailed,
        hasDetailedDiff=True,
        deleteBeforeReplace=bool(fixed),  # names are fixed, so that the new object needs the old one's name
    )


def serve(provider: Provider) -> tuple[grpc.Server, int]:
    """Start answering on a free port of the loopback interface; returns the server and the port.

    The caller keeps the server: grpc stops one that nobody holds.
    """
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=16))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)
    port: int = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port
