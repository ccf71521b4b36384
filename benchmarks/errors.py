"""What goes wrong in a benchmark, said in a sentence with its remedy."""


class BenchmarkError(RuntimeError):
    """The message is for the person at the terminal; no traceback helps."""
