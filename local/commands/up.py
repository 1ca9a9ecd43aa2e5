"""python -m local up: the stack in the foreground."""

import argparse
import os
from pathlib import Path

from local.layout import ROOT
from local.options import data_dir, progress
from local.ports import ports_from_environment
from local.stack import Stack
from local.web_assets import ensure_web_assets


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """None: ports and folder come from the environment."""


async def run(_options: argparse.Namespace) -> int:
    ensure_web_assets(ROOT, progress)
    started = Stack.start(
        data_dir=data_dir(), ports=ports_from_environment(os.environ), log=progress
    )
    async with started as stack:
        progress(f"logs: {_short(stack.layout.logs)}    clients: python -m local env")
        print(f"\n  The call page:  {stack.control_plane_url}/\n", flush=True)
        progress("Ctrl-C stops everything.")
        try:
            await stack.watch(progress)
        finally:
            progress("Stopping ...")
    return 0


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
