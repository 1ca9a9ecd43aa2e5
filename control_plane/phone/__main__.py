"""
Trunk and dispatch rule of the phone, as livekit.yaml says.

    python -m control_plane.phone diff      what `apply` would change
    python -m control_plane.phone apply     tells each step, then takes it

Exit code: 0 nothing is to be done (any more), 2 `diff` found something, 1 it failed or telephones
would not be let in; 1 and the reason on standard error.
"""

import argparse
import asyncio
import os
import sys

import aiohttp
from livekit import api
from pydantic import ValidationError

from control_plane.phone.open_door import DoorUnknown, lets_phones_in
from control_plane.phone.outbound import missing_for_outbound
from control_plane.phone.provisioning import NumberTaken, Step, apply, diff, look
from control_plane.phone.settings import PhoneSettings
from control_plane.phone.trunk_file import TrunkFile, TrunkFileRefused, read_trunk_file
from shared.settings import LiveKitSettings

TIMEOUT_S = 10.0
UNAUTHORIZED = 401
NOTHING, FAILED, PENDING = 0, 1, 2
CLOSED = (
    "livekit-server would let no telephone in, and every caller would hear that the line is busy: "
    "set LIVEKIT_AUTO_CREATE=true, fill in livekit.yaml again, restart livekit-server"
)


async def run(verb: str, file: TrunkFile, settings: LiveKitSettings) -> int:
    """The exit code. Raises what the media server or the network raises."""
    async with api.LiveKitAPI(
        settings.http_url,
        settings.livekit_api_key,
        settings.livekit_api_secret.get_secret_value(),
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
    ) as livekit:
        if verb == "diff":
            steps = diff(await look(livekit, file), file)
            for step in steps:
                _tell(step)
        else:
            steps = await apply(livekit, file, tell=_tell)
    if not steps:
        _print("nothing to do")
    _print(_outbound())
    if not await lets_phones_in(settings):
        return _failed(CLOSED)
    return PENDING if steps and verb == "diff" else NOTHING


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m control_plane.phone", description=__doc__)
    parser.add_argument("verb", choices=("diff", "apply"))
    verb = parser.parse_args(arguments).verb
    try:
        file = read_trunk_file(os.environ)
        return asyncio.run(run(verb, file, LiveKitSettings()))
    except (TrunkFileRefused, NumberTaken) as refused:
        return _failed(str(refused))
    except ValidationError as error:
        names = ", ".join(str(issue["loc"][0]).upper() for issue in error.errors())
        return _failed(f"missing or wrong settings: {names}")
    except api.ServerError as error:
        return _failed(_why(error, os.environ.get("PHONE_TRUNK_PASSWORD", "")))
    except DoorUnknown as unknown:
        return _failed(f"livekit-server does not tell whether it lets telephones in ({unknown})")
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return _failed(f"livekit-server did not answer ({type(error).__name__})")


def _why(error: api.ServerError, password: str) -> str:
    """Its own words, which name trunks and numbers, without the secret that was sent to it."""
    if error.code == api.ServerErrorCode.INTERNAL and "redis" in error.message:
        return (
            "livekit-server runs without Redis, where trunks and rules are kept: see livekit.yaml"
        )
    if error.status == UNAUTHORIZED:
        return "livekit-server does not know LIVEKIT_API_KEY, or not with this secret"
    words = error.message.replace(password, "***") if password else error.message
    return f"livekit-server refused ({error.code}): {words}"


def _outbound() -> str:
    missing = missing_for_outbound(PhoneSettings())
    return "outbound calls are off" + (f" (not decided: {', '.join(missing)})" if missing else "")


def _failed(words: str) -> int:
    sys.stderr.write(f"{words}\n")
    return FAILED


def _tell(step: Step) -> None:
    _print(step.words)


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()  # before it is done, also into a pipe


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
