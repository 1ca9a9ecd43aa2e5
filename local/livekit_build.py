"""Build livekit-server from source, once, where no package of it is installed."""

import shutil
import signal
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from local.child import Child, Program, tail
from local.failure import CannotRun
from local.file_lock import held_in_turn
from local.layout import Layout
from local.livekit_server import NAME, PACKAGE, VERSION, find_livekit_server

BUILD_TIMEOUT_S = 1800  # 3 CPU-minutes on a fast core; slow machines and slow networks exist
REPORT_S = 10  # between two signs of life
DISK_FREE_MIN = 3 * 1024**3  # bytes: Go's module and build caches, and the binary


async def ensure_livekit_server(
    layout: Layout, environment: Mapping[str, str], log: Callable[[str], None]
) -> Path:
    """The program's path. Raises CannotRun with what to install when it can't be had."""
    found = find_livekit_server(layout, environment)
    if found:
        return found
    layout.binaries.mkdir(parents=True, exist_ok=True)
    async with held_in_turn(layout.binaries / ".lock"):
        # A second stack waited here, and finds it built.
        return find_livekit_server(layout, environment) or await _build(layout, environment, log)


async def _build(
    layout: Layout, environment: Mapping[str, str], log: Callable[[str], None]
) -> Path:
    go = shutil.which("go", path=environment.get("PATH"))
    if go is None:
        raise CannotRun(
            f"No livekit-server and no Go to build it: install Go 1.24 or newer, or put "
            f"livekit-server {VERSION} on PATH, or set LIVEKIT_SERVER_BIN to it."
        )
    if shutil.disk_usage(layout.binaries).free < DISK_FREE_MIN:
        raise CannotRun(
            "Building livekit-server needs 3 GB of free disk: make room, or install it."
        )
    log(f"Building livekit-server {VERSION} with Go: once, about 3 minutes ...")
    with tempfile.TemporaryDirectory(dir=layout.binaries) as folder:
        await _go_install(go, Path(folder), layout, environment, log)
        (Path(folder) / "server").replace(layout.binaries / NAME)
    log("livekit-server is built.")
    return layout.binaries / NAME


async def _go_install(
    go: str,
    folder: Path,
    layout: Layout,
    environment: Mapping[str, str],
    log: Callable[[str], None],
) -> None:
    program = Program(
        name="livekit-build",
        command=(go, "install", "-v", PACKAGE),
        environment={**environment, "GOBIN": str(folder)},
        death_signal=signal.SIGTERM,  # Go removes its working folder on the way out
    )
    child = Child(program, logs=layout.logs)
    child.log_path.unlink(missing_ok=True)
    child.start()
    try:
        waited_s = 0
        while await child.wait_end(REPORT_S) is None and waited_s < BUILD_TIMEOUT_S:
            waited_s += REPORT_S
            log(f"  {waited_s} s: {_compiled(child.log_path)} packages compiled")
    finally:
        await child.stop()
    if child.exit_code != 0:
        last = (tail(child.log_path, 1) or ["no output"])[0]
        raise CannotRun(
            f"Go could not build livekit-server ({last}): see {child.log_path}, "
            f"or put livekit-server {VERSION} on PATH."
        )


def _compiled(log_path: Path) -> int:
    """`go install -v` writes a line for each package that its cache does not have."""
    with log_path.open("rb") as lines:
        return sum(not line.startswith(b"go: ") for line in lines)
