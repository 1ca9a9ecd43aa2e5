"""python -m local postgres FOLDER: look at the database of a stopped stack or a failed test."""

import argparse
import asyncio
from pathlib import Path

from local.failure import CannotRun
from local.options import data_dir, progress
from local.stack import Stack


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, nargs="?", help="a data folder (LOCAL_DATA_DIR)")


async def run(options: argparse.Namespace) -> int:
    folder: Path = options.folder or data_dir()
    if not (folder / "postgres").is_dir():
        raise CannotRun(f"{folder} is not a data folder: it has no folder postgres.")
    async with Stack.start(data_dir=folder, environment={}, only=("postgres",)) as stack:
        print(stack.database_url, flush=True)
        progress("Ctrl-C stops it.")
        await asyncio.Event().wait()
    return 0
