"""
Puts livekit-client into the call page: npm package, by lock file, copied to web/vendor.

    python -m local.web_assets

There is no bundler: the page is served as it lies on disk, and the package ships one ES module.
Once that module is in place and no older than the lock file, nothing is run and no network is used.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

MODULE = Path("livekit-client/dist/livekit-client.esm.mjs")
NPM_LIMIT_S = 300  # 15 small packages take seconds; longer means no network
_NPM_CI = ("ci", "--no-audit", "--no-fund", "--ignore-scripts", "--no-progress")

Log = Callable[[str], None]


def ensure_web_assets(root: Path, log: Log) -> None:
    """
    The call page under `root`/web is complete afterwards, or `log` got one line that says why not.

    Never raises for a missing npm or network: the stack works without its page, and the page
    itself says what is missing.
    """
    web = root / "web"
    if _is_current(web):
        return
    with _one_at_a_time(web):
        if _is_current(web):  # another stack did it while we waited
            return
        if _install(web, log):
            _place(web)


def _is_current(web: Path) -> bool:
    return _is_newer(web / "vendor" / MODULE.name, web / "package-lock.json")


def _install(web: Path, log: Log) -> bool:
    """True when node_modules is what the lock file says."""
    if _is_newer(web / "node_modules" / ".package-lock.json", web / "package-lock.json"):
        return True
    npm = shutil.which("npm")
    if npm is None:
        log(
            "call page: npm was not found, so the page can't place calls; install Node.js 20 or "
            "later (it brings npm), then run: python -m local.web_assets"
        )
        return False
    log("call page: npm ci in web/ (a few seconds, once)")
    try:
        done = subprocess.run(
            (npm, *_NPM_CI),
            cwd=web,
            capture_output=True,
            text=True,
            timeout=NPM_LIMIT_S,
            check=False,
        )
        trouble = _reason(done.stderr) if done.returncode else None
    except subprocess.TimeoutExpired:
        trouble = f"no end after {NPM_LIMIT_S} s"
    if trouble:
        log(f"call page: npm ci failed in web/, so the page can't place calls: {trouble}")
    return trouble is None


def _reason(stderr: str) -> str:
    """The last line in which npm names an error; it prints warnings and log paths around it."""
    lines = [line for line in stderr.splitlines() if "complete log of this run" not in line]
    errors = [line for line in lines if line.startswith("npm error ")]
    return (errors or lines or ["no reason given"])[-1].removeprefix("npm error ")


def _place(web: Path) -> None:
    """In one step, so that a browser never gets half a file."""
    vendor = web / "vendor"
    vendor.mkdir(exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=vendor, delete=False) as unfinished:
        unfinished.write((web / "node_modules" / MODULE).read_bytes())
    path = Path(unfinished.name)
    path.chmod(0o644)
    path.replace(vendor / MODULE.name)


def _is_newer(made: Path, source: Path) -> bool:
    return made.is_file() and made.stat().st_mtime >= source.stat().st_mtime


@contextmanager
def _one_at_a_time(web: Path) -> Iterator[None]:
    """Two stacks may start at once in one folder; npm ci empties node_modules first."""
    descriptor = os.open(web / "package-lock.json", os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def main() -> int:
    """Exit status 1 when the page is still incomplete."""
    root = Path(__file__).resolve().parent.parent
    ensure_web_assets(root, lambda line: print(line, file=sys.stderr))
    return 0 if _is_current(root / "web") else 1


if __name__ == "__main__":
    sys.exit(main())
