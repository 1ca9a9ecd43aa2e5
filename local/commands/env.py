"""python -m local env: how any client reaches the running stack."""

import argparse
import json
import shlex

from local.layout import Layout
from local.options import data_dir
from local.stack_file import read_stack_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as one JSON object")


async def run(options: argparse.Namespace) -> int:
    environment = read_stack_file(Layout.of(data_dir())).environment
    if options.json:
        print(json.dumps(dict(environment), indent=1))
    else:
        print("\n".join(f"{name}={shlex.quote(value)}" for name, value in environment.items()))
    return 0
