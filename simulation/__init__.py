"""The application, exporters and receivers that the rehearsal runs in place of real ones."""

import math

CHECK_SECONDS = 5.0
"""How often the instrumentation package has a service check what it depends on."""


def number(text: str) -> float:
    """Parse a number from 0, of a command line or an address. Raises ValueError for anything else."""
    value = float(text)
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"{text} is not a number from 0")
    return value
