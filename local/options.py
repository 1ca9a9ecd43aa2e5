"""What an operator of a local stack may move, by environment variables."""

import logging
import os
import sys
from pathlib import Path

from local.layout import ROOT


def data_dir() -> Path:
    """LOCAL_DATA_DIR, or `.local` in the checkout."""
    return Path(os.environ.get("LOCAL_DATA_DIR") or ROOT / ".local")


def log_to_file() -> None:
    """What libraries have to say goes to a log; the terminal belongs to the call."""
    logs = data_dir() / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(filename=logs / "caller.log", level=logging.INFO)
    logging.getLogger("httpx2").setLevel(logging.WARNING)


def progress(line: str) -> None:
    """To standard error, so that what is printed for programs stays clean."""
    print(line, file=sys.stderr, flush=True)
