"""What the person at the keyboard is told when the stack cannot run."""


class CannotRun(Exception):
    """One line: what is wrong and what to do about it. Shown without a traceback."""
