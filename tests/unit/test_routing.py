"""Alertmanager's configuration, for every set of channels that a stack can have."""

from __future__ import annotations

import json
from itertools import chain, combinations
from typing import Any

import pytest
import yaml

import catalogue
from checks.program import merged
from components.alerting import messages, routing
from facts import ROOT
from quantities import seconds
from rehearsal.routes import matches
from settings import KEY, Settings, parse

CATALOGUE = catalogue.load(ROOT / "services.yaml")
PROD = yaml.safe_load((ROOT / "Pulumi.prod.yaml").read_text())["config"][KEY]

PEOPLE = ("pagerduty", "slack", "email")
CHANNELS = (*PEOPLE, "heartbeat")
SUBSETS = list(chain.from_iterable(combinations(CHANNELS, size) for size in range(len(CHANNELS) + 1)))
INTEGRATIONS = {
    "pagerduty": "pagerduty_configs",
    "slack": "slack_configs",
    "email": "email_configs",
    "heartbeat": "webhook_configs",
}


def stack(channels: tuple[str, ...] = CHANNELS, **changes: Any) -> Settings:
    """The production stack with only these channels, and with changes."""
    settings = parse(merged(PROD, changes))
    without = dict.fromkeys(channel for channel in CHANNELS if channel not in channels)
    return settings.model_copy(update={"notifications": settings.notifications.model_copy(update=without)})


def configuration(settings: Settings) -> dict[str, Any]:
    return routing.alertmanager_configuration(settings)


def receivers(settings: Settings) -> dict[str, dict[str, Any]]:
    return {receiver["name"]: receiver for receiver in configuration(settings)["receivers"]}


def routes(settings: Settings, matcher: str) -> list[dict[str, Any]]:
    root = configuration(settings)["route"]
    return [route for route in root["routes"] if route["matchers"] == [matcher]]


def channels_of(settings: Settings, matcher: str) -> list[set[str]]:
    """The channels that each route with this matcher reaches."""
    known = receivers(settings)
    reached = [known[route["receiver"]] for route in routes(settings, matcher)]
    return [{channel for channel, key in INTEGRATIONS.items() if key in receiver} for receiver in reached]


@pytest.mark.parametrize("channels", SUBSETS)
def test_every_route_reaches_somebody_while_there_is_a_channel_for_people(channels: tuple[str, ...]) -> None:
    settings = stack(channels)
    root = configuration(settings)["route"]
    used = {root["receiver"], *(route["receiver"] for route in root["routes"])}
    assert used == set(receivers(settings))
    for receiver in receivers(settings).values():
        reaches_somebody = any(key in receiver for key in INTEGRATIONS.values())
        assert reaches_somebody == (receiver["name"] != routing.NOBODY)
    assert (routing.NOBODY in used) == (not set(channels) & set(PEOPLE))


@pytest.mark.parametrize("channels", SUBSETS)
def test_nothing_uses_a_channel_that_is_not_there_and_the_dead_mans_switch_hears_only_the_heartbeat(
    channels: tuple[str, ...],
) -> None:
    settings = stack(channels)
    present = {key for receiver in receivers(settings).values() for key in receiver} - {"name"}
    assert present <= {INTEGRATIONS[channel] for channel in channels}
    switches = [name for name, receiver in receivers(settings).items() if "webhook_configs" in receiver]
    assert switches == (["heartbeat"] if "heartbeat" in channels else [])


def test_with_every_channel_each_severity_reaches_the_specified_ones() -> None:
    settings = stack()
    assert channels_of(settings, 'severity="critical"') == [{"pagerduty", "slack"}]
    assert channels_of(settings, 'alertname="PageUnresolved"') == [{"email"}]
    assert channels_of(settings, 'severity="warning"') == [{"slack"}]
    assert channels_of(settings, 'severity="info"') == [{"slack"}]
    assert channels_of(settings, 'alertname="Watchdog"') == [{"heartbeat"}]
    assert routing.missing_channels(settings) == []


@pytest.mark.parametrize(
    ("channels", "receiver", "sentence"),
    [
        (("slack",), "oncall-by-slack", "PagerDuty is not configured: critical alerts go to Slack."),
        (("pagerduty",), "oncall-by-pagerduty", "Slack is not configured: critical alerts go to PagerDuty."),
        (("email",), "oncall-by-email", "PagerDuty and Slack are not configured: critical alerts go to e-mail."),
        (("slack",), "escalation-by-slack", "e-mail is not configured: escalations go to Slack."),
        (("pagerduty",), "warning-by-pagerduty", "Slack is not configured: warnings go to PagerDuty."),
        (("slack",), "heartbeat-by-slack", "the heartbeat is not configured: daily heartbeats go to Slack."),
        (("heartbeat",), "nobody", "e-mail is not configured: escalations go to nobody."),
    ],
)
def test_a_replaced_channel_is_visible_in_the_receiver_and_to_the_user(
    channels: tuple[str, ...], receiver: str, sentence: str
) -> None:
    settings = stack(channels)
    assert receiver in receivers(settings)
    assert sentence in routing.missing_channels(settings)


@pytest.mark.parametrize("channels", SUBSETS)
def test_every_message_that_stands_in_for_another_says_so_and_no_other_does(channels: tuple[str, ...]) -> None:
    settings = stack(channels)
    for name, receiver in receivers(settings).items():
        if name != routing.NOBODY:
            assert ("-by-" in name) == ("not configured" in json.dumps(receiver))


@pytest.mark.parametrize("channels", SUBSETS)
def test_without_a_heartbeat_people_get_one_sign_of_life_a_day(channels: tuple[str, ...]) -> None:
    (route,) = routes(stack(channels), 'alertname="Watchdog"')
    assert route["repeat_interval"] == ("15s" if "heartbeat" in channels else "24h")


def test_waits_are_the_measured_ones() -> None:
    (page,) = routes(stack(), 'severity="critical"')
    (heartbeat,) = routes(stack(), 'alertname="Watchdog"')
    assert (page["group_wait"], page["group_interval"]) == ("5s", "1m")
    assert (heartbeat["group_interval"], heartbeat["repeat_interval"]) == ("30s", "15s")


def test_what_lasts_is_told_again_and_never_forgotten() -> None:
    (info,) = routes(stack(), 'severity="info"')
    assert info["repeat_interval"] == "168h", "at the same hour of the same day, as a repeat knows no business hours"
    root = configuration(stack())["route"]
    repeats = [route["repeat_interval"] for route in [root, *root["routes"]] if "repeat_interval" in route]
    assert 1.5 * max(map(seconds, repeats)) < seconds(routing.REMEMBERED)


def test_no_route_delays_anything() -> None:
    """Prometheus decides when: a long wait would begin anew at each reload, and is skipped by what joins a group."""
    root = configuration(stack())["route"]
    assert max(seconds(route["group_wait"]) for route in [root, *root["routes"]] if "group_wait" in route) <= 60


def test_every_alert_takes_one_route() -> None:
    root = configuration(stack())["route"]
    assert not any(route.get("continue") for route in root["routes"])
    first = [route["matchers"] for route in root["routes"][:2]]
    assert first == [['alertname="Watchdog"'], ['alertname="PageUnresolved"']], "they are of no severity"


def test_nothing_is_muted_by_the_time_of_day() -> None:
    """Its resolve would be, too. Prometheus decides when an info alert begins."""
    made = configuration(stack())
    assert not keys(made) & {"time_intervals", "active_time_intervals", "mute_time_intervals"}


@pytest.mark.parametrize("channels", SUBSETS)
def test_it_is_told_that_everything_is_over_but_for_signs_of_life(channels: tuple[str, ...]) -> None:
    for receiver in receivers(stack(channels)).values():
        for key, integrations in receiver.items():
            if key != "name":
                assert [item["send_resolved"] for item in integrations] == [key != "webhook_configs"]


def test_credentials_are_mounted_files() -> None:
    made = configuration(stack())
    files = {value for value in strings(made) if value.startswith("/etc/alertmanager/secrets/")}
    assert files == {f"{messages.CREDENTIALS_DIRECTORY}/{key}" for key in messages.CREDENTIAL_KEYS.values()}
    assert not keys(made) & {"api_url", "routing_key", "service_key", "auth_password", "smtp_auth_password"}
    webhooks = [item for receiver in made["receivers"] for item in receiver.get("webhook_configs", [])]
    assert all("url" not in webhook for webhook in webhooks)


def test_nothing_is_muted_by_what_is_less_severe() -> None:
    """Above all: no page by what pages nobody."""
    severities = ("info", "warning", "critical")

    def accepted(matchers: list[str]) -> list[int]:
        own = [matcher for matcher in matchers if matcher.startswith("severity")]
        return [
            rank for rank, name in enumerate(severities) if all(matches(matcher, {"severity": name}) for matcher in own)
        ]

    for rule in routing.inhibit_rules():
        assert min(accepted(rule["source_matchers"])) >= max(accepted(rule["target_matchers"])), rule


def test_inhibition_has_only_the_keys_that_the_operator_accepts() -> None:
    """It refuses the whole configuration for a rule's `name`, which Alertmanager itself accepts."""
    for rule in routing.inhibit_rules():
        assert set(rule) == {"source_matchers", "target_matchers", "equal"}


def test_templates_are_those_that_the_configuration_uses() -> None:
    defined = "\n".join(messages.templates().values())
    used = {value.split('"')[1] for value in strings(configuration(stack())) if "{{ template" in value}
    assert used
    assert all(f'{{{{ define "{name}"' in defined for name in used)


def strings(document: Any) -> list[str]:
    """Every text in a document."""
    if isinstance(document, dict):
        return [text for value in document.values() for text in strings(value)]
    if isinstance(document, list):
        return [text for value in document for text in strings(value)]
    return [document] if isinstance(document, str) else []


def keys(document: Any) -> set[str]:
    """Every key in a document."""
    if isinstance(document, dict):
        return set(document).union(*(keys(value) for value in document.values()))
    if isinstance(document, list):
        return set().union(*(keys(value) for value in document))
    return set()
