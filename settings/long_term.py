"""Settings of metrics: where they are kept for longer than Prometheus keeps them."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import ValidationInfo, model_validator

from problems import several
from settings.keys import PROJECT, REMOTE_WRITE_CREDENTIAL
from settings.notifications import Deployment
from validation import Section, Url, Word, text

WorkspaceId = Annotated[
    str,
    text(
        r"ws-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        "the ID of a workspace such as ws-0a1b2c3d-1111-2222-3333-444455556666",
    ),
]
LabelName = Annotated[str, text("[a-zA-Z_][a-zA-Z0-9_]*", "the name of a label such as __replica__")]


class RemoteWrite(Section):
    """A second place for metrics, which keeps them for longer: a workspace of AWS, or any address that takes them."""

    series: Literal["recorded", "all"] = "recorded"
    """`recorded`: what the rules of `alerts/` record, such as `service:…`, and the application's own `business_…`;
    `all`: everything that Prometheus has, which costs accordingly."""
    workspace: WorkspaceId | None = None
    """An existing workspace of Amazon Managed Prometheus in the region `aws.region`. The program makes the role that
    Prometheus writes with."""
    url: Url | None = None
    """Any other address that takes Prometheus' remote write, such as `https://mimir.example.com/api/v1/push`. Secret:
    `remoteWriteCredential`, the password of `username`, or without one a bearer token."""
    username: Word | None = None
    """User name for basic authentication at `url`."""
    tenant: Word | None = None
    """Tenant at `url`, as Mimir reads it: the header X-Scope-OrgID."""
    replica_label: LabelName = "__replica__"
    """Label with the name of the replica, by which copies of a series are recognised and left out: `__replica__` for
    Amazon Managed Prometheus and Mimir, with Thanos that of its option `--query.replica-label`."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if not self.workspace and not self.url:
            raise ValueError("workspace and url are missing; set one of them")
        if self.workspace and self.url:
            raise ValueError("only one of workspace and url can be set; remove the other")
        for key in ("username", "tenant"):
            if self.workspace and getattr(self, key):
                raise ValueError(f"{key} has no use with workspace, which knows Prometheus by its role; remove it")
        if self.url and not self.url.startswith("https://"):
            raise ValueError(f'url "{self.url}" must start with https://: a password or token is sent to it')
        return self

    @model_validator(mode="after")
    def _usable(self, info: ValidationInfo) -> Self:
        """In a deployment: with its secret."""
        deployment = info.context
        if self.url and isinstance(deployment, Deployment) and REMOTE_WRITE_CREDENTIAL not in deployment.secrets:
            raise several(
                f"{PROJECT}:{REMOTE_WRITE_CREDENTIAL}: missing; set it with: pulumi config set "
                f"--stack {deployment.stack} --secret {REMOTE_WRITE_CREDENTIAL}"
            )
        return self


class Metrics(Section):
    """Where metrics are kept beside Prometheus' own volume."""

    remote_write: RemoteWrite | None = None
    """A second place for metrics; none keeps them on Prometheus' volume alone."""
