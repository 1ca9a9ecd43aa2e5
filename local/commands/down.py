"""python -m local down: end the stack of the data folder, whoever started it."""

import argparse
import asyncio
import contextlib
import os
import signal

from local.failure import CannotRun
from local.file_lock import holder
from local.layout import Layout
from local.options import data_dir, progress
from shared.clock import SystemClock

ORDERLY_S = 25  # the agent settles its calls, Postgres writes its checkpoint
FORCED_S = 5
POLL_S = 0.1
_CLOCK = SystemClock()


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """None: the folder comes from the environment."""


async def run(_options: argparse.Namespace) -> int:
    layout = Layout.of(data_dir())
    pid = holder(layout.lock_file)
    if pid is None:
        progress(f"No stack runs with the data folder {layout.data}.")
        return 0
    for number, patience_s in ((signal.SIGTERM, ORDERLY_S), (signal.SIGKILL, FORCED_S)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        if await _released(layout, patience_s):
            layout.stack_file.unlink(missing_ok=True)
            progress("Stopped.")
            return 0
    raise CannotRun(f"Process {pid} does not end; its data folder is {layout.data}.")


async def _released(layout: Layout, patience_s: float) -> bool:
    deadline = _CLOCK.monotonic() + patience_s
    while holder(layout.lock_file) is not None:
        if _CLOCK.monotonic() > deadline:
            return False
        await asyncio.sleep(POLL_S)
    return True
