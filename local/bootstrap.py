"""
Make `.venv` from requirements.lock. Run by any Python 3.11 or newer, with nothing installed:

    python3 -m local.bootstrap

Standard library only. uv does the work, because it checks every hash and is done in seconds; it
comes from PyPI by the hashes of the same lock file, so nothing has to be installed before.
"""

from __future__ import annotations  # so that an old Python gets as far as our message

import os
import re
import shutil
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
VENV = ROOT / ".venv"
STAMP = VENV / ".ready"
LOG = VENV / "setup.log"
PYTHON_MIN = (3, 11)
DISK_FREE_MIN = 2 * 1024**3  # bytes: 1.2 GB of packages, and what is being unpacked


class CannotSetUp(Exception):
    """One line: what is wrong and what to do about it."""


def main() -> int:
    began = time.monotonic()
    try:
        set_up()
    except CannotSetUp as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    say(f"Python packages are ready ({time.monotonic() - began:.0f} s).")
    return 0


def set_up() -> None:
    """Raises CannotSetUp. An interrupted run is simply repeated."""
    require_python()
    if shutil.disk_usage(ROOT).free < DISK_FREE_MIN:
        raise CannotSetUp("The Python packages need 2 GB of free disk: make room.")
    python = VENV / "bin" / "python"
    if not python.exists():
        say("Making .venv ...")
        run([sys.executable, "-m", "venv", "--clear", str(VENV)], doing="make .venv")
    uv = VENV / "bin" / "uv"
    if not uv.exists():
        say("Installing uv ...")
        wanted = VENV / "uv.txt"
        wanted.write_text(locked("uv", LOCK.read_text()))
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
        run([*pip, "--require-hashes", "--no-deps", "-r", str(wanted)], doing="install uv")
    say("Installing the packages of requirements.lock: once, under a minute on a fast network ...")
    sync = [str(uv), "pip", "sync", "--quiet", "--python", str(python), "--require-hashes"]
    run([*sync, str(LOCK)], doing="install the packages")
    STAMP.touch()


def require_python(version: tuple[int, int] = sys.version_info[:2]) -> None:
    if version < PYTHON_MIN:
        raise CannotSetUp(
            f"Python 3.11 or newer is needed, this is {version[0]}.{version[1]}: install one, or "
            "name it with make PYTHON=/path/to/python."
        )
    if find_spec("ensurepip") is None:
        raise CannotSetUp(
            f"This Python cannot make virtual environments: install its venv package (Debian: "
            f"apt-get install python{version[0]}.{version[1]}-venv)."
        )


def locked(package: str, lock: str) -> str:
    """The lines of a lock file that pin one package and its hashes."""
    found = re.search(rf"^{re.escape(package)}==.*?(?=^\S|\Z)", lock, re.MULTILINE | re.DOTALL)
    if found is None:
        raise CannotSetUp(f"requirements.lock does not pin {package}: run make lock.")
    return "\n".join(line for line in found[0].splitlines() if not line.lstrip().startswith("#"))


def run(command: list[str], *, doing: str) -> None:
    """Output goes to a log; of a failure, its last line is shown."""
    VENV.mkdir(exist_ok=True)
    with LOG.open("a") as log:
        done = subprocess.run(
            command, cwd=ROOT, env=environment(), stdout=log, stderr=log, check=False
        )
    if done.returncode != 0:
        lines = [line.strip() for line in LOG.read_text().splitlines() if line.strip()]
        why = lines[-1] if lines else f"exit code {done.returncode}"
        raise CannotSetUp(
            f"Could not {doing} ({why}): see {LOG}. A wheel that does not exist for this platform "
            f"or Python version is the usual reason; Linux x86-64 and 3.11 to 3.13 are tested."
        )


def environment() -> dict[str, str]:
    """With the mirror and certificates that people set for pip, which uv does not read."""
    known = dict(os.environ)
    for theirs, ours in (
        ("PIP_INDEX_URL", "UV_DEFAULT_INDEX"),
        ("PIP_EXTRA_INDEX_URL", "UV_INDEX"),
        ("PIP_CERT", "SSL_CERT_FILE"),
    ):
        if known.get(theirs):
            known.setdefault(ours, known[theirs])
    known.pop("VIRTUAL_ENV", None)
    return known


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
