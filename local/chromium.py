"""Headless Chromium for the tests of the call page: found, or installed where we may."""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from local.failure import CannotRun

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
APT_TIMEOUT_S = 900  # about 100 MB of packages on a slow network


def find_chromium(environment: Mapping[str, str] = os.environ) -> Path | None:
    """`$CHROMIUM_BIN`, else the first of the usual names on PATH."""
    for name in (environment.get("CHROMIUM_BIN"), *NAMES):
        found = shutil.which(name, path=environment.get("PATH")) if name else None
        if found:
            return Path(found)
    return None


def ensure_chromium(logs: Path, log: Callable[[str], None]) -> Path:
    """Raises CannotRun with what to install when it can't be had."""
    found = find_chromium()
    if found:
        return found
    apt = shutil.which("apt-get")
    if os.geteuid() != 0 or apt is None:
        raise CannotRun(
            "The tests of the call page need Chromium: install it (Debian: sudo apt-get install "
            "chromium), or set CHROMIUM_BIN to it."
        )
    log("Installing Chromium with apt-get: once, a minute or two ...")
    log_path = logs / "chromium-install.log"
    with log_path.open("wb") as output:
        for arguments in (("update",), ("install", "--yes", "--no-install-recommends", "chromium")):
            _run([apt, "--quiet", *arguments], output.fileno(), log_path)
    found = find_chromium()
    if found is None:
        raise CannotRun(f"apt-get installed no Chromium: see {log_path}, or set CHROMIUM_BIN.")
    return found


def _run(command: list[str], output: int, log_path: Path) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        subprocess.run(
            command,
            stdout=output,
            stderr=output,
            env=environment,
            timeout=APT_TIMEOUT_S,
            check=True,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise CannotRun(
            f"apt-get could not install Chromium: see {log_path}, or set CHROMIUM_BIN."
        ) from error
