"""Settings of notifications: the channels, when people are notified, and the addresses that messages link to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import ValidationInfo, model_validator

from problems import several
from quantities import seconds
from settings.keys import CHANNEL_SECRETS, KEY, PROJECT
from validation import (
    Address,
    Clock,
    Date,
    Duration,
    Link,
    List,
    Mail,
    Section,
    Some,
    TimeZone,
    Url,
    Within,
    Word,
    text,
)

LONGEST_WARNING_WAIT_SECONDS = 25 * 60
"""LogAgentDroppingLogs, LogAgentRestarted and LokiRefusingLogs look back half an hour and wait a minute themselves."""

Channel = Annotated[
    str,
    text(
        r"[#@][^\s#@]{1,80}", "a Slack channel or person such as #order-processor-alerts, in quotes as # is a comment"
    ),
]


class Slack(Section):
    """Slack, for the team. Secret: `slackWebhookUrl`."""

    channel: Channel = "#order-processor-alerts"
    """Channel that the messages go to."""


class PagerDuty(Section):
    """PagerDuty, for whoever is on call. Secret: `pagerdutyRoutingKey`."""

    url: Url = "https://events.pagerduty.com/v2/enqueue"
    """Events API v2; accounts in Europe use events.eu.pagerduty.com."""


class Email(Section):
    """E-mail, for escalation. Secret: `smtpPassword`."""

    to: Some[Mail]
    """Addresses that escalations go to."""
    sender: Mail
    """Address they come from."""
    smarthost: Address
    """SMTP submission server, host:port; STARTTLS is required."""
    username: Word
    """SMTP user."""


class Heartbeat(Section):
    """A dead man's switch outside the cluster, called every 30 s: let it wait for 2 min. Secret: `heartbeatUrl`."""


@dataclass(frozen=True)
class Deployment:
    """What validation has to know of the stack that is deployed, beside its structured key."""

    stack: str
    secrets: frozenset[str]
    """The secret keys that are set."""


class Notifications(Section):
    """Notification channels, and what happens where one is not configured."""

    unset_channels: Literal["refuse", "leave-out"] = "refuse"
    """`refuse` stops where a route's channel is missing; `leave-out` routes to the channels that are there."""
    slack: Slack | None = None
    """Slack, for the team."""
    pagerduty: PagerDuty | None = None
    """PagerDuty, for whoever is on call."""
    email: Email | None = None
    """E-mail, for escalation."""
    heartbeat: Heartbeat | None = None
    """The dead man's switch."""

    @model_validator(mode="after")
    def _usable(self, info: ValidationInfo) -> Self:
        """In a deployment: with the channels alone whose secret is set, or refused if the routes need all."""
        if not isinstance(info.context, Deployment):
            return self
        undeclared = [channel for channel in CHANNEL_SECRETS if getattr(self, channel) is None]
        unset = {
            channel: key
            for channel, key in CHANNEL_SECRETS.items()
            if channel not in undeclared and key not in info.context.secrets
        }
        if (undeclared or unset) and self.unset_channels == "refuse":
            raise several(
                *(
                    f"{KEY} notifications.{channel}: missing; the routes need it. Declare the channel"
                    for channel in undeclared
                ),
                *(
                    f"{PROJECT}:{key}: missing; set it with: pulumi config set --stack {info.context.stack} "
                    f"--secret {key}"
                    for key in unset.values()
                ),
                f"{KEY} notifications.unsetChannels: 'refuse' needs every channel; or set "
                'notifications.unsetChannels to "leave-out" to run without them',
            )
        return self.model_copy(update=dict.fromkeys(unset))


class Escalation(Section):
    """When people are notified: how long a condition or a page must last."""

    warning_after: Duration = "15m"
    """A warning fires, and goes to Slack, when its condition held for its rule's `for` and this; at most 25m."""
    email_after: Annotated[
        Duration, Within("1m", "4h", "a page must first arrive, and is by then sent again by its own route")
    ] = "30m"
    """A critical alert that has fired for so long, and is not acknowledged, goes to e-mail, too."""

    @model_validator(mode="after")
    def _within_windows(self) -> Self:
        if seconds(self.warning_after) > LONGEST_WARNING_WAIT_SECONDS:
            raise ValueError(
                f'warningAfter: "{self.warning_after}" is more than 25m: what was lost is seen in windows of 30 m, and '
                "would never be told"
            )
        return self


Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class BusinessHours(Section):
    """When info alerts may begin."""

    time_zone: TimeZone = "UTC"
    """IANA time zone of the hours below."""
    days: Some[Weekday] = ("monday", "tuesday", "wednesday", "thursday", "friday")
    """Working days."""
    start: Clock = "09:00"
    """Start of the working day."""
    end: Clock = "17:00"
    """End of the working day, exclusive."""
    holidays: List[Date] = ()
    """Days off, as YYYY-MM-DD."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.start >= self.end:
            raise ValueError(f'start: "{self.start}" must be before end "{self.end}"')
        return self


class Links(Section):
    """Addresses that notifications link to."""

    grafana: Link = "http://localhost:3000"
    """Where people open Grafana."""
    alertmanager: Link = "http://localhost:9093"
    """Where people open Alertmanager, to silence an alert."""
    runbooks: Link
    """Where your team reads the pages of alerts/runbooks: each notification links to `<runbooks>/<alert>.md`."""
