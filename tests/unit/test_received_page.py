"""Messages as people see them: nothing that a label says becomes markup."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from simulation.receivers import mrkdwn, page, pagerduty, shown
from simulation.receivers.control import Control
from simulation.receivers.heartbeat import Heartbeat
from simulation.receivers.notifications import Notification, Store
from simulation.receivers.refusals import Outages
from tests.unit.browser import Browser, Elements

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
ALLOWED = {"a", "br", "code", "dd", "del", "details", "div", "dl", "dt", "em", "h3", "iframe", "p", "pre", "strong"}


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("*bold* and _italic_ and ~gone~", "<strong>bold</strong> and <em>italic</em> and <del>gone</del>"),
        ("a*b*c snake_case_name 2 * 3 * 4", "a*b*c snake_case_name 2 * 3 * 4"),
        ("`*code*`", "<code>*code*</code>"),
        ("one\ntwo", "one<br>\ntwo"),
        ("```a\n<b>```", "<pre>a\n&lt;b&gt;</pre>"),
        ("&lt;b&gt; &amp;amp; <b>", "&lt;b&gt; &amp;amp; &lt;b&gt;"),
        ("<javascript:alert(1)|here>", "&lt;javascript:alert(1)|here&gt;"),
        (
            "<https://a.test/x?a=1&amp;b=2|Run *book*>",
            '<a href="https://a.test/x?a=1&amp;b=2" target="_blank" rel="noreferrer">Run *book*</a>',
        ),
    ],
)
def test_mrkdwn_is_shown_as_slack_shows_it(text: str, html: str) -> None:
    assert mrkdwn.html(text) == html


def slack(**attachment: Any) -> Notification:
    return Notification(receiver="slack", raw={"channel": "#a", "attachments": [attachment]})


def test_a_slack_message_has_its_colour_title_text_and_fields() -> None:
    made = shown.body(
        slack(
            color="#d72631",
            title="[FIRING] A",
            title_link="https://a.test/d",
            text="*Down.*\n<https://a.test/r|Runbook>",
            fields=[{"title": "Owner", "value": "team"}],
            pretext="note",
        )
    )
    assert 'style="--colour: #d72631"' in made
    assert '<h3><a href="https://a.test/d"' in made
    assert "<strong>Down.</strong>" in made
    assert ">Runbook</a>" in made
    assert "<dt>Owner</dt><dd>team</dd>" in made
    assert "<p>note</p>" in made


def test_a_mail_with_html_is_shown_in_a_sandbox_and_a_plain_one_with_its_links() -> None:
    headers = {"From": "a@b.test", "To": "c@d.test", "Subject": "Down", "X-Alert-Name": "A"}
    made = shown.body(Notification(receiver="email", raw={"headers": headers, "text": "see", "html": f"<p>{EVIL}</p>"}))
    assert '<iframe sandbox="allow-popups"' in made
    assert Elements(made).names <= ALLOWED  # what the mail says is in an attribute, and parsed in the sandbox alone
    plain = shown.body(
        Notification(receiver="email", raw={"headers": headers, "text": "see https://a.test/x", "html": None})
    )
    assert Elements(plain).links == ["https://a.test/x"]
    assert "iframe" not in plain


def test_an_incident_has_its_details_and_links() -> None:
    event = {
        "event_action": "trigger",
        "dedup_key": "k",
        "payload": {"summary": "s", "custom_details": {"owner": "team", "firing": [{"a": 1}]}},
        "links": [{"href": "https://a.test/r", "text": "Runbook"}, {"href": "javascript:alert(1)", "text": "x"}],
        "client": "us",
        "client_url": "https://a.test/am",
    }
    made = shown.body(Notification(receiver="pagerduty", title="s", severity="critical", status="firing", raw=event))
    assert "<dt>owner</dt><dd>team</dd>" in made
    assert Elements(made).links == ["https://a.test/r", "https://a.test/am"]


@pytest.mark.parametrize(
    "message",
    [
        slack(
            color=EVIL, title=EVIL, title_link=EVIL, text=EVIL, pretext=EVIL, fields=[{"title": EVIL, "value": EVIL}]
        ),
        slack(color='#12345;"', title=None, text=f"<https://a.test/{EVIL}|{EVIL}> `{EVIL}` *{EVIL}*", fields="no list"),
        Notification(receiver="slack", title=EVIL, destination=EVIL, refused=EVIL, raw=EVIL, alertnames=(EVIL,)),
        Notification(receiver="email", raw={"headers": {"From": EVIL, "Subject": EVIL}, "text": EVIL, "html": EVIL}),
        Notification(receiver="email", raw={"headers": None, "text": None, "html": None}),
        Notification(
            receiver="pagerduty",
            title=EVIL,
            status="firing",
            severity=EVIL,
            raw={
                "payload": {"custom_details": {EVIL: EVIL}},
                "dedup_key": EVIL,
                "links": [{"href": f"http://{EVIL}", "text": EVIL}],
                "client_url": f"https://{EVIL}",
                "client": EVIL,
            },
        ),
        Notification(receiver="pagerduty", status="firing", raw={"payload": None, "dedup_key": "k", "links": None}),
        Notification(receiver="heartbeat", title=EVIL),
    ],
)
def test_nothing_that_a_message_says_becomes_markup(message: Notification, tmp_path: Path) -> None:
    made = Elements(shown.body(message))
    assert made.names <= ALLOWED
    assert not {name for name in made.attributes if name.startswith("on")}
    assert all(link.startswith(("http://", "https://")) for link in made.links)
    whole = page.render([message], [], Heartbeat(Store(tmp_path), 60, 60))
    assert whole.count("<script") == 1
    assert "<img" not in re.sub(r"srcdoc=\"[^\"]*\"", "", whole)


def test_a_message_keeps_its_name_when_others_come_and_gets_another_after_all_are_forgotten(tmp_path: Path) -> None:
    """The page adds what it does not have, so that what is open stays open."""
    beat = Heartbeat(Store(tmp_path), 60, 60)

    def names(*messages: Notification) -> list[str]:
        return re.findall(r'<article class="message" id="([^"]+)"', page.render(messages, [], beat))

    first, second = slack(text="one"), slack(text="two")
    assert names(first, second)[1:] == names(first)
    time.sleep(0.002)
    assert names(slack(text="three")) != names(first)
    assert "http-equiv" not in page.render([first], [], beat)


class Receivers:
    """The page of what was received."""

    def __init__(self, directory: Path) -> None:
        self.store = Store(directory)
        self.heartbeat = Heartbeat(self.store, 60, 60)
        self._browser = Browser(Control(self.store, self.heartbeat, Outages()))

    def get(self, known: str = "") -> httpx.Response:
        return self._browser.get("/", headers={"If-None-Match": known})


def test_the_page_is_sent_again_only_if_something_is_new(tmp_path: Path) -> None:
    """A browser asks every few seconds for as long as it is open."""
    receivers = Receivers(tmp_path)
    tag = receivers.get().headers["ETag"]
    assert receivers.get(tag).status_code == 304
    happenings: list[Callable[[], None]] = [
        lambda: receivers.store.add(slack(text="new")),
        receivers.heartbeat.beat,
        receivers.store.clear,
    ]
    for happens in happenings:
        happens()
        fresh = receivers.get(tag)
        assert fresh.status_code == 200
        tag = fresh.headers["ETag"]
        assert receivers.get(tag).status_code == 304
    assert Receivers(tmp_path).get(tag).status_code == 200, "after a restart it may be another"


def test_the_page_is_bounded_whatever_was_received(tmp_path: Path) -> None:
    events = [
        Notification(receiver="pagerduty", title="s", status="firing", raw={"dedup_key": str(number)})
        for number in range(page.SHOWN + 50)
    ]
    made = page.render(events, pagerduty.incidents(events), Heartbeat(Store(tmp_path), 60, 60))
    assert made.count("<article") == page.SHOWN
    assert made.count("<td>triggered</td>") == page.SHOWN
    assert f"{page.SHOWN} of {page.SHOWN + 50}" in made
