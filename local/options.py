"""What an operator of a local stack may move, by environment variables."""

import os
import sys
from pathlib import Path

from local.layout import ROOT


def data_dir() -> Path:
    """LOCAL_DATA_DIR, or `.local` in the checkout."""
    return Path(os.environ.get("LOCAL_DATA_DIR") or ROOT / ".local")


def progress(line: str) -> None:
    """To standard error, so that what is printed for programs stays clean."""
    print(line, file=sys.stderr, flush=True)
