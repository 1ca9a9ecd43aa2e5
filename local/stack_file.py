"""What a running stack tells the commands that use it."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from local.failure import CannotRun
from local.file_lock import holder
from local.layout import Layout


@dataclass(frozen=True, slots=True)
class RunningStack:
    """Addresses and secrets of a stack of this machine."""

    pid: int
    environment: Mapping[str, str] = field(repr=False)
    pids: Mapping[str, int]


def write_stack_file(
    layout: Layout, *, environment: Mapping[str, str], pids: Mapping[str, int]
) -> None:
    """Replace the file at once; only its owner may read it, for it holds secrets."""
    content = {"pid": os.getpid(), "environment": dict(environment), "pids": dict(pids)}
    unfinished = layout.stack_file.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(content, file, indent=1)
    unfinished.replace(layout.stack_file)


def read_stack_file(layout: Layout) -> RunningStack:
    """Raises CannotRun when no stack runs with this data folder."""
    pid = holder(layout.lock_file)
    if pid is None:
        raise CannotRun(f"No stack runs with the data folder {layout.data}: start one: make up")
    try:
        content = json.loads(layout.stack_file.read_text())
    except FileNotFoundError:
        raise CannotRun(
            f"The stack of {layout.data} (process {pid}) is not ready yet: try again in a moment."
        ) from None
    return RunningStack(pid=pid, environment=content["environment"], pids=content["pids"])
