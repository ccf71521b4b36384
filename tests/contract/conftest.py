"""What several files of tests need."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.alerting import messages


@pytest.fixture
def template_files(tmp_path: Path) -> str:
    """Glob of the message templates, written as the operator mounts them."""
    for name, text in messages.templates().items():
        (tmp_path / name).write_text(text)
    return str(tmp_path / "*.tmpl")
