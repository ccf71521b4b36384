"""What every test of this project needs of its process."""

import gc
import signal

# A shell starts background jobs with SIGINT ignored, and what ignores it passes that on: no test of Ctrl-C could work.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Leave what was imported out of garbage collection, which Pulumi's many futures set off again and again."""
    gc.collect()
    gc.freeze()
