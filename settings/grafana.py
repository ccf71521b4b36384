"""Settings of Grafana: the address by which people reach it, and how they log in."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationInfo, model_validator

from problems import several
from settings.keys import GRAFANA_CLIENT_SECRET, PROJECT
from settings.notifications import Deployment
from validation import Line, List, Map, Name, Section, Some, text

ObjectName = Annotated[
    str,
    text(
        r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?",
        "the name of an object in Kubernetes such as grafana-tls: lower-case letters, digits, hyphens, dots",
    ),
]
AnnotationKey = Annotated[
    str,
    text(
        r"([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?",
        "the name of an annotation such as cert-manager.io/cluster-issuer",
    ),
]
# In Grafana's file, in its expression and for Helm, quotes, backslashes, braces, # and ; would mean something.
Title = Annotated[
    str, text(r"[\w./:@+-]([\w ./:@+-]{0,254}[\w./:@+-])?", "a name such as Example Login, without quotes")
]
Group = Annotated[
    str, text(r"[\w./:@+-]([\w ./:@+-]{0,254}[\w./:@+-])?", "the name of a group such as platform-team, without quotes")
]
ClientId = Annotated[str, text(r"[\w.:/@+-]{1,255}", "the ID of a client such as monitoring or a UUID")]
Endpoint = Annotated[
    str,
    text(
        r"https://[A-Za-z0-9.-]{1,253}(:\d{1,5})?(/[^\s#;{}\"'`\\]*)?",
        "an https address such as https://login.example.com/oauth2/token",
    ),
]
Scope = Annotated[str, text(r"[\w./:+-]{1,255}", "the name of a scope such as openid")]
Claim = Annotated[str, text(r"[A-Za-z_]\w{0,62}", "the name of a claim such as groups: letters, digits, underscores")]


class Ingress(Section):
    """An Ingress that serves Grafana at the host and path of `links.grafana`."""

    class_name: Name
    """The class of your controller, such as `nginx` or `alb`. Its namespace, or the subnets of its load balancer,
    belong under `access.grafanaFrom`."""
    annotations: Map[AnnotationKey, Line] = Field(default_factory=dict)
    """What your controller reads, such as the certificate's ARN."""
    tls_secret: ObjectName | None = None
    """A Secret with the certificate, in `monitoring`; none where the load balancer has one."""


class SignIn(Section):
    """People log in with your identity provider, by OpenID Connect; the administrator's password stays.

    Secret: `grafanaClientSecret`. Register `/login/generic_oauth` below `links.grafana` as the address to return to.
    """

    name: Title
    """What the button says: Sign in with …"""
    client_id: ClientId
    """The client's ID at the provider."""
    auth_url: Endpoint
    """The provider's authorization endpoint, to which browsers are sent."""
    token_url: Endpoint
    """Its token endpoint, which Grafana asks."""
    user_url: Endpoint
    """Its user information endpoint, which Grafana asks."""
    scopes: Some[Scope] = ("openid", "profile", "email")
    """What is asked for."""
    groups_claim: Claim = "groups"
    """The claim that lists a person's groups."""
    admins: List[Group] = ()
    """Groups whose members administer Grafana."""
    editors: List[Group] = ()
    """Groups whose members may use Explore and silence alerts. All others who can log in are Viewers."""

    @model_validator(mode="after")
    def _one_role(self) -> SignIn:
        both = sorted(set(self.admins) & set(self.editors))
        if both:
            raise ValueError(f'editors: "{both[0]}" is one of the admins, too; name it once')
        return self

    @model_validator(mode="after")
    def _usable(self, info: ValidationInfo) -> SignIn:
        """In a deployment: with its secret."""
        deployment = info.context
        if isinstance(deployment, Deployment) and GRAFANA_CLIENT_SECRET not in deployment.secrets:
            raise several(
                f"{PROJECT}:{GRAFANA_CLIENT_SECRET}: missing; set it with: pulumi config set "
                f"--stack {deployment.stack} --secret {GRAFANA_CLIENT_SECRET}"
            )
        return self


class Grafana(Section):
    """How people reach Grafana and log in."""

    ingress: Ingress | None = None
    """An Ingress with TLS; none leaves it to you, or to port-forward."""
    sign_in: SignIn | None = None
    """Log-in by your identity provider; none has the administrator's password alone."""
