"""What every test of this project needs of its process."""

import gc
import signal

# A shell starts background jobs with SIGINT ignored, and what ignores it passes that on: no test of Ctrl-C could work.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Terminated like interrupted: fixtures stop what they started, and a rehearsal would outlive its test otherwise.
signal.signal(signal.SIGTERM, signal.default_int_handler)

gc.disable()  # nothing that is imported is garbage, and looking for it is a fifth of the time that imports take


def pytest_collection() -> None:
    """Set hypothesis up before a test is imported, and not where pytest-xdist leaves collection to its workers."""
    import hypothesis

    hypothesis.settings.register_profile("any machine", deadline=None)  # a busy one is no failure
    hypothesis.settings.load_profile("any machine")


def pytest_collection_finish() -> None:
    """Leave what was imported out of garbage collection, which Pulumi's many futures set off again and again."""
    gc.freeze()
    gc.enable()
