"""What differs between the providers that are stood in for."""

from __future__ import annotations

from typing import Protocol

from engine.provider.store import Key, Store
from engine.provider.values import Path, Properties


class InvalidPropertyError(Exception):
    """An input that the provider refuses before anything is done."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason)
        self.name = name


class Model(Protocol):
    """One provider's rules. Types are Pulumi's tokens; inputs are revealed unless said otherwise."""

    def configure(self, options: Properties) -> None:
        """Take the provider's own options."""

    def check(self, type_: str, name: str, inputs: Properties, old: Properties, seed: str) -> Properties:
        """The inputs, secrets still marked, with what the provider fills in (a name, ending in `seed`, if it has none).

        Raises InvalidPropertyError.
        """

    def key(self, type_: str, inputs: Properties) -> Key:
        """What identifies the object."""

    def document(self, type_: str, inputs: Properties) -> Properties:
        """What is stored."""

    def admit(self, type_: str, inputs: Properties, store: Store) -> None:
        """Raise ApiError unless what the object needs to be created exists."""

    def identifier(self, type_: str, inputs: Properties) -> str:
        """Pulumi's id of the object."""

    def computed(self, type_: str, urn: str, inputs: Properties) -> Properties:
        """Outputs that are not inputs."""

    def sealed(self, type_: str) -> tuple[str, ...]:
        """Properties that are secret in the outputs even if the program did not say so."""

    def fixed(self, type_: str, path: Path) -> bool:
        """Whether a change at `path` replaces the object."""

    def invoke(self, token: str, arguments: Properties) -> Properties:
        """The result of a look-up. Raises ApiError."""
