"""python -m local setup: everything that takes long, before it is needed."""

import argparse
import os

from local.chromium import ensure_chromium
from local.layout import ROOT, Layout
from local.livekit_build import ensure_livekit_server
from local.options import data_dir, progress
from local.postgres import find_programs
from local.redis_server import find_redis_server
from local.web_assets import ensure_web_assets


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tests", action="store_true", help="also what only the tests need")


async def run(options: argparse.Namespace) -> int:
    layout = Layout.of(data_dir())
    layout.create()
    find_programs()
    find_redis_server()
    await ensure_livekit_server(layout, os.environ, progress)
    ensure_web_assets(ROOT, progress)
    if options.tests:
        ensure_chromium(layout.logs, progress)
    return 0
