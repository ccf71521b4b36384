"""What the links of messages open on this machine: runbooks and dashboards."""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from facts import ROOT
from local.ports import OPTIONAL, SERVICES, STACK
from simulation.receivers.linked import Linked, markdown
from simulation.receivers.loki import LOKI
from simulation.receivers.prometheus import PROMETHEUS
from tests.unit.browser import Browser, Elements


@pytest.fixture
def client() -> Browser:
    return Browser(Linked(port_offset=3400))


def test_a_runbook_is_a_web_page_and_so_is_each_that_it_links_to(client: Browser) -> None:
    answer = client.get("/pages/alerts/runbooks/ServiceDown.md")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert '<h1 id="servicedown">ServiceDown</h1>' in answer.text
    links = Elements(answer.text).links
    assert "ServiceUnmeasured.md" in links
    for link in (link for link in links if not link.startswith((PROMETHEUS, LOKI))):
        assert client.get(f"/pages/alerts/runbooks/{link}").status_code == 200, link


def test_every_link_and_every_picture_of_every_page_opens(client: Browser) -> None:
    pages = [
        *ROOT.glob("*.md"),
        *(page for name in ("alerts", "docs", "examples") for page in ROOT.glob(f"{name}/**/*.md")),
    ]
    addresses = {
        f"/pages/{os.path.normpath(file.relative_to(ROOT).parent / address)}"
        for file in pages
        for found in [Elements(markdown(file.read_text()))]
        for address in (*found.links, *found.pictures)
        if not re.match(rf"\w+:|#|{PROMETHEUS}|{LOKI}\?", address)
    }
    assert len(addresses) > 100
    assert [address for address in sorted(addresses) if client.get(address).status_code != 200] == []


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("docs/images/system-health.png", "image/png"),
        ("NOTICE", "text/plain; charset=utf-8"),
        ("examples/stacks/kind-two-nodes/Pulumi.kind-two-nodes.yaml", "text/plain; charset=utf-8"),
    ],
)
def test_what_pages_link_to_is_served_as_what_it_is(client: Browser, path: str, kind: str) -> None:
    answer = client.get(f"/pages/{path}")
    assert answer.headers["content-type"] == kind
    assert answer.content == (ROOT / path).read_bytes()


def test_no_comment_is_text() -> None:
    made = markdown(
        "<!-- one -->\n\nA <!-- two --> b.\n\n<!-- three\nfour -->\n| a |\n|---|\n\n```sh\n<!-- kept -->\n```\n"
    )
    assert re.sub(r"<[^>]*>|\s+", " ", made).split() == ["A", "b.", "a", "&lt;!--", "kept", "--&gt;"]


@pytest.mark.parametrize(
    "path",
    [
        "alerts/runbooks/Nothing.md",
        "Pulumi.dev.yaml",
        "examples/stacks/kind-two-nodes/rendered/outputs.yaml",
        "services.yaml",
        ".git/HEAD",
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


def test_a_page_names_the_ports_of_this_rehearsal_and_leaves_those_of_a_cluster(client: Browser) -> None:
    text = client.get("/pages/docs/runbooks/README.md").text
    assert "http://127.0.0.1:12490/api/v1/query" in text
    assert "http://127.0.0.1:6500/loki/api/v1/query_range" in text
    assert "http://127.0.0.1:9090" not in text
    assert "http://localhost:9090" in text, "the port that kubectl forwards"


def test_no_page_names_a_port_of_the_rehearsal_that_is_none() -> None:
    """They are moved by PORT_OFFSET where the pages are served."""
    pages = [*ROOT.glob("docs/**/*.md"), *ROOT.glob("alerts/**/*.md"), *ROOT.glob("*.md")]
    named = {int(port) for file in pages for port in re.findall(r"//127\.0\.0\.1:(\d+)", file.read_text())}
    assert named
    assert named <= {*STACK.values(), *SERVICES.values(), *OPTIONAL.values()}


def test_a_query_of_a_runbook_leads_to_its_result_and_other_code_does_not() -> None:
    made = Elements(markdown('```promql\nup{job="a"} == 0\n```\n\n```logql\n{a="b"}\n```\n\n```sh\nls\n```\n'))
    assert made.links == [
        "/prometheus/graph?g0.expr=up%7Bjob%3D%22a%22%7D%20%3D%3D%200",
        "/loki?query=%7Ba%3D%22b%22%7D",
    ]


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
    answer = Browser(Linked([sys.executable, "-c", "print('<b>no data')"])).get("/d/logs")
    assert answer.status_code == 502
    assert "&lt;b&gt;no data" in answer.text


def test_a_dashboard_that_is_none_shows_those_that_there_are() -> None:
    browser = Browser(Linked([sys.executable, "-c", ""]))
    for path, status in (("/d", 200), ("/d/nope", 404)):
        answer = browser.get(path)
        assert answer.status_code == status
        assert {"/d/system-health", "/d/logs"} <= {*Elements(answer.text).links}


def test_the_runbooks_have_a_short_address_and_browsers_get_no_error(client: Browser) -> None:
    assert client.get("/pages").headers["location"] == "/pages/docs/runbooks/README.md"
    assert client.get("/favicon.ico").status_code == 204
