"""What goes wrong in a rehearsal, said in a sentence with its remedy."""


class RehearsalError(RuntimeError):
    """The message is for the person at the terminal; no traceback helps."""
