"""
python -m local COMMAND: the stack on this machine and what can be done with it.

Whatever goes wrong ends in one line on standard error and exit status 1; a traceback, when the
fault is ours, goes to the log.
"""

import argparse
import asyncio
import importlib
import signal
import sys
import traceback
from types import ModuleType

from local.failure import CannotRun
from local.options import data_dir

COMMANDS = {
    "up": "start the stack and keep it running until Ctrl-C",
    "down": "stop a stack that was left running",
    "env": "print how to reach the running stack",
    "key": "print an API key with credit, as OPENAI_BASE_URL and OPENAI_API_KEY",
    "call": "place a simulated call against the running stack",
    "demo": "start a stack, place a call, check its bill, stop (make call)",
    "setup": "build and fetch what the stack and the tests need",
    "chaos": "kill everything and compare the books with the truth (make chaos)",
    "load": "many simulated callers, a report of times and money (make load)",
    "bench": "measure beside anchors in one run (make bench)",
    "postgres": "serve the data folder of a stopped stack or a failed test",
}
INTERRUPTED = 130  # as a shell reports a program ended by Ctrl-C


def main(arguments: list[str]) -> int:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    try:
        options, command = _parse(arguments)
        return asyncio.run(_interruptible(command, options))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return INTERRUPTED
    except CannotRun as error:
        print(error, file=sys.stderr)
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        print(f"{error.strerror or error}{where}", file=sys.stderr)
    except Exception as error:  # noqa: BLE001 - the edge of the process
        print(f"Unexpected {type(error).__name__}: see {_write_traceback()}", file=sys.stderr)
    return 1


def _parse(arguments: list[str]) -> tuple[argparse.Namespace, ModuleType]:
    """Only the chosen command is imported: `env` must not wait for a media engine."""
    parser = argparse.ArgumentParser(prog="python -m local", description="The one-machine stack.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    chosen = arguments[0] if arguments and arguments[0] in COMMANDS else None
    module = ModuleType("none")
    for name, words in COMMANDS.items():
        subparser = commands.add_parser(name, help=words, description=words)
        if name == chosen:
            module = importlib.import_module(f"local.commands.{name}")
            module.add_arguments(subparser)
    return parser.parse_args(arguments), module


async def _interruptible(command: ModuleType, options: argparse.Namespace) -> int:
    """A first signal ends the command in order, a second one at once."""
    task = asyncio.ensure_future(command.run(options))
    loop = asyncio.get_running_loop()

    def interrupt() -> None:
        task.cancel()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)  # the children are on a leash

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, interrupt)
    status: int = await task
    return status


def _write_traceback() -> str:
    logs = data_dir() / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    path = logs / "local.log"
    with path.open("a") as log:
        traceback.print_exc(file=log)
    return str(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
