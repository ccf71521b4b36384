"""Messages as people see them, and what their links open: nothing that a label says becomes markup."""

from __future__ import annotations

import asyncio
import re
import sys
import threading
import time
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from starlette.applications import Starlette

from facts import ROOT
from local.ports import free_ports
from simulation.receivers import mrkdwn, page, shown
from simulation.receivers.heartbeat import Heartbeat
from simulation.receivers.linked import Linked, markdown
from simulation.receivers.notifications import Notification, Store

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
ALLOWED = {"a", "br", "code", "dd", "del", "details", "div", "dl", "dt", "em", "h3", "iframe", "p", "pre", "strong"}


class Elements(HTMLParser):
    """The elements and attributes of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.links: list[str] = []
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name == "href"]


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


class Browser:
    """Opens the addresses of the receivers, without a socket."""

    def __init__(self, linked: Linked) -> None:
        self._transport = httpx.ASGITransport(app=Starlette(routes=linked.routes()))

    def get(self, path: str) -> httpx.Response:
        return self._ask("GET", path)

    def post(self, path: str, **body: Any) -> httpx.Response:
        return self._ask("POST", path, **body)

    def _ask(self, method: str, path: str, **body: Any) -> httpx.Response:
        async def answer() -> httpx.Response:
            async with httpx.AsyncClient(transport=self._transport, base_url="http://here.test") as client:
                return await client.request(method, path, **body)

        return asyncio.run(answer())


@pytest.fixture
def client() -> Browser:
    return Browser(Linked(alertmanager="http://127.0.0.1:9093"))


def test_a_runbook_is_a_web_page_and_so_is_each_that_it_links_to(client: Browser) -> None:
    answer = client.get("/pages/alerts/runbooks/ServiceDown.md")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert '<h1 id="servicedown">ServiceDown</h1>' in answer.text
    links = Elements(answer.text).links
    assert "ServiceUnmeasured.md" in links
    for link in links:
        assert client.get(f"/pages/alerts/runbooks/{link}").status_code == 200, link


def test_every_link_of_every_runbook_opens(client: Browser) -> None:
    pages = sorted((ROOT / "alerts" / "runbooks").glob("*.md"))
    links = {link for file in pages for link in Elements(markdown(file.read_text())).links if "://" not in link}
    assert len(links) > 40
    refused = [link for link in links if client.get(f"/pages/alerts/runbooks/{link}").status_code != 200]
    assert refused == []


@pytest.mark.parametrize(
    "path",
    [
        "alerts/runbooks/Nothing.md",
        "Pulumi.dev.yaml",
        "../etc/passwd",
        quote("../../etc/hosts", safe=""),
        ".github/x.md",
    ],
)
def test_only_pages_of_the_project_are_shown(client: Browser, path: str) -> None:
    answer = client.get(f"/pages/{path}")
    assert answer.status_code == 404


def test_markdown_has_tables_and_anchors_and_no_markup_of_its_own() -> None:
    made = markdown("# A `b`, c\n\n| a |\n|---|\n| <b>x</b> |\n\n# A `b`, c\n\n<script>1</script>\n")
    assert '<h1 id="a-b-c">' in made
    assert '<h1 id="a-b-c-1">' in made
    assert "<td>&lt;b&gt;x&lt;/b&gt;</td>" in made
    assert "<script>" not in made


def test_a_dashboards_link_draws_it_with_its_variable_and_its_hour(tmp_path: Path) -> None:
    program = tmp_path / "report.py"
    program.write_text(
        "import sys, pathlib\n"
        "pathlib.Path(sys.argv[sys.argv.index('--out') + 1]).write_text(' '.join(sys.argv[1:]))\nsys.exit(1)\n"
    )
    start = int((time.time() - 5400) * 1000)
    browser = Browser(Linked([sys.executable, str(program)]))
    text = browser.get(f"/d/system-health?var-service=order-service&from={start}&to=now").text
    assert re.search(r"--board system-health .*--since 540\ds --choose service=order-service", text)
    assert "--since 604800s" in browser.get("/d/system-health?from=1").text


def test_what_cannot_be_drawn_says_why(client: Browser) -> None:
    assert client.get("/d/system-health").status_code == 404  # no report here
    answer = Browser(Linked([sys.executable, "-c", "print('<b>no such board')"])).get("/d/nope")
    assert answer.status_code == 502
    assert "&lt;b&gt;no such board" in answer.text


def test_the_form_for_a_silence_names_where_it_is_made(client: Browser) -> None:
    for address in ("/alertmanager", "/alertmanager/"):
        answer = client.get(address)
        assert answer.status_code == 200
        assert "http://127.0.0.1:9093" in answer.text
        assert '<form action="/alertmanager/api/v2/silences" hidden>' in answer.text


def test_a_silence_reaches_alertmanager_and_its_answer_comes_back() -> None:
    received: list[bytes] = []

    class Alertmanager(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.path.encode() + self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"silenceID":"1"}')

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Alertmanager) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        browser = Browser(Linked(alertmanager=f"http://127.0.0.1:{server.server_port}"))
        answer = browser.post("/alertmanager/api/v2/silences", json={"comment": "a"})
    assert (answer.status_code, answer.json()) == (200, {"silenceID": "1"})
    assert received == [b'/api/v2/silences{"comment":"a"}']


def test_a_form_of_another_site_makes_no_silence(client: Browser) -> None:
    assert client.post("/alertmanager/api/v2/silences", data={"a": "b"}).status_code == 415


def test_an_alertmanager_that_does_not_answer_is_said() -> None:
    (port,) = free_ports(1)
    answer = Browser(Linked(alertmanager=f"http://127.0.0.1:{port}")).post("/alertmanager/api/v2/silences", json={})
    assert answer.status_code == 502
    assert "Alertmanager was not reached" in answer.text
