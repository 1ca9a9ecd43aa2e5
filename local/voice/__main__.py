"""`python -m local.voice --port N`: serve until SIGTERM or Ctrl-C."""

import argparse
import asyncio
import signal

from local.voice.server import voice_server
from shared.log import configure_logging, get_logger


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m local.voice", description="The local voice")
    parser.add_argument("--port", type=int, required=True, help="0 for a free one")
    parser.add_argument("--host", default="127.0.0.1")
    arguments = parser.parse_args()
    configure_logging("voice")
    asyncio.run(serve(host=arguments.host, port=arguments.port))


async def serve(*, host: str, port: int) -> None:
    """Listen until a signal asks to stop."""
    log = get_logger(__name__)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with voice_server(host=host, port=port) as listening_port:
        log.info("voice_listening", address=host, port=listening_port)
        await stop.wait()
    log.info("voice_stopped")


if __name__ == "__main__":
    main()
