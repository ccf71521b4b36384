"""Times on the pages of this machine, in the zone of who looks at them."""

from __future__ import annotations

from pathlib import Path

TIMES = Path(__file__).with_name("times.js").read_text()
"""The script that writes them, on every page that has one."""
