"""An environment that nothing may take notice of, and a project that starts fast."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.configuration import Aside
from engine.toolchain import build
from tests.sandbox import CANARIES, Sandbox
from tests.tree import link_environment

HOSTILE = {
    "AWS_PROFILE": "production",
    "KUBECONFIG": "/nonexistent/kubeconfig",
    "PULUMI_ACCESS_TOKEN": "pul-0000000000000000000000000000000000000000",
    "PULUMI_BACKEND_URL": "https://pulumi.invalid",
    "PULUMI_CONFIG_PASSPHRASE": "somebody else's",
    "PULUMI_HOME": "/nonexistent/pulumi",
    "PULUMI_STACK": "production",
    "PYTHONDONTWRITEBYTECODE": "1",
    "VIRTUAL_ENV": "/nonexistent/environment",
}
"""An environment in which everything fails that takes any notice of it."""

SMALL_FILES = {
    ".gitignore": ".venv\n__pycache__/\n",
    "Pulumi.yaml": "name: order-processor-monitoring\nruntime:\n  name: python\n  options:\n    virtualenv: .venv\n",
    "Pulumi.dev.yaml": "config:\n  order-processor-monitoring:stack: {things: 40}\n",
    "settings.py": """
KEY = "order-processor-monitoring:stack"
def parse(document): return document
def secret_keys(settings): return ["slackWebhookUrl"]
""",
    "__main__.py": """
import pulumi
from pulumi_kubernetes.apiextensions import CustomResource

config = pulumi.Config()
url = config.require_secret("slackWebhookUrl")

def thing(name, spec):
    CustomResource(name, api_version="v1", kind="Thing", metadata={"name": name}, spec=spec)

for number in range(config.require_object("stack")["things"]):
    thing(f"thing-{number}", {"number": number})
thing("hidden", {"url": url})
""",
}
SMALL_SECRETS = {"slackWebhookUrl": CANARIES["slackWebhookUrl"]}


@pytest.fixture(scope="package", autouse=True)
def hostile_machine() -> Iterator[None]:
    """Built tools, and an environment that none of them may take notice of."""
    build(["pulumi", "pulumi-language-python"])
    with pytest.MonkeyPatch.context() as patch:
        for name, value in HOSTILE.items():
            patch.setenv(name, value)
        yield


@pytest.fixture
def small(tmp_path: Path) -> Sandbox:
    """A small program in place of ours, which starts faster, nothing deployed; its configuration is kept aside."""
    sandbox = Sandbox(tmp_path, Aside(secrets=SMALL_SECRETS))
    sandbox.project.mkdir()
    for name, text in SMALL_FILES.items():
        (sandbox.project / name).write_text(text)
    link_environment(sandbox.project)
    return sandbox
