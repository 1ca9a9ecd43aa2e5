"""Stripe's own stripe-mock: it knows no state, but refuses requests its document does not know."""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.web_process import unused_port

BINARY = Path(__file__).resolve().parents[2] / ".local" / "bin" / "stripe-mock"
MODULE = "github.com/stripe/stripe-mock"
BUILD_S_MAX = 240
START_S_MAX = 30.0


def build() -> Path:
    """The program, made by Go when it is not there. Skips the test where Go cannot."""
    if BINARY.exists():
        return BINARY
    go = shutil.which("go")
    if go is None:
        pytest.skip("stripe-mock is not built and Go is not installed")
    made = subprocess.run(
        [go, "install", f"{MODULE}@latest"],
        env={**os.environ, "GOBIN": str(BINARY.parent)},
        capture_output=True,
        timeout=BUILD_S_MAX,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"Go could not build stripe-mock: {made.stderr[-200:]!r}")
    return BINARY


def openapi_schemas() -> dict[str, Any]:
    """Of the document that stripe-mock was built with."""
    build()
    go = shutil.which("go")
    if go is None:
        pytest.skip("Go is not installed, so its module cache is not known")
    asked = subprocess.run([go, "env", "GOMODCACHE"], capture_output=True, text=True, check=True)
    found = sorted(Path(asked.stdout.strip()).glob(f"{MODULE}@*/embedded/openapi/spec3.json"))
    if not found:
        pytest.skip("the source of stripe-mock is not in Go's module cache")
    schemas: dict[str, Any] = json.loads(found[-1].read_text())["components"]["schemas"]
    return schemas


@contextmanager
def running_stripe_mock() -> Iterator[str]:
    """Its address."""
    port = unused_port()
    program = subprocess.Popen(
        [build(), "-http-addr", f"127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline_s = time.monotonic() + START_S_MAX
        while not _listens(port):
            assert time.monotonic() < deadline_s, "stripe-mock does not listen"
            assert program.poll() is None, "stripe-mock ended"
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        program.kill()
        program.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
