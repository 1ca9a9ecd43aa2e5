"""
The agent worker.

    python -m agent start       serve until SIGTERM; a second SIGTERM ends the running calls
"""

import os
import sys

from pydantic import ValidationError

USAGE_EXIT = 2


def main(arguments: list[str]) -> int:
    if arguments != ["start"]:
        print(__doc__, file=sys.stderr)  # noqa: T201 - usage is for people
        return USAGE_EXIT
    _prepare_environment()
    from agent.settings import AgentSettings  # noqa: PLC0415 - the environment comes first
    from shared.log import configure_logging  # noqa: PLC0415

    try:
        settings = AgentSettings()
    except ValidationError as problem:
        for error in problem.errors(include_input=False, include_url=False):
            name = "_".join(str(part) for part in error["loc"]).upper()
            print(f"{name}: {error['msg']}".lstrip(": "), file=sys.stderr)  # noqa: T201
        return USAGE_EXIT
    configure_logging("agent")
    from agent.engines import NoEngine, check_fallback  # noqa: PLC0415 - seconds of imports, ...
    from agent.worker import run_worker  # noqa: PLC0415 - ... after the checks

    try:
        check_fallback(settings)
    except NoEngine as missing:
        print(f"AGENT_FALLBACK_MODEL: {missing}", file=sys.stderr)  # noqa: T201
        return USAGE_EXIT
    return run_worker(settings)


def _prepare_environment() -> None:
    """What the media framework reads while it is imported. Nothing leaves this machine unasked."""
    # One thread in the process that forks: OpenBLAS would start one a core.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    # The framework's own voice models: 240 MB that a speech-to-speech call never uses.
    os.environ["LIVEKIT_AGENTS_PRELOAD_LOCAL_INFERENCE"] = "0"
    os.environ["LIVEKIT_AGENTS_LOOP_BLOCK_WARN_MS"] = "0"
    # Each of these changes where audio, transcripts or logs are sent.
    for name in (
        "LIVEKIT_OBSERVABILITY_URL",
        "LIVEKIT_REMOTE_EOT_URL",
        "LIVEKIT_INFERENCE_URL",
        "LIVEKIT_DEV_MODE",
        "LIVEKIT_AGENT_NAME",
        "LIVEKIT_AGENT_NAME_OVERRIDE",
        "OPENAI_API_VERSION",  # silently means Azure
    ):
        os.environ.pop(name, None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
