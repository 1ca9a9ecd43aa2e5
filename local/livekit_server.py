"""livekit-server: the program, found or built once, and its configuration."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from string import Template

import httpx2

from local.child import Program
from local.failure import CannotRun
from local.layout import ROOT, Layout
from local.ports import Ports

VERSION = "v1.13.5"  # later ones carry `replace` lines, which `go install` refuses
PACKAGE = f"github.com/livekit/livekit-server/cmd/server@{VERSION}"
CONFIG = ROOT / "livekit.yaml"
NAME = "livekit-server"


def find_livekit_server(layout: Layout, environment: Mapping[str, str]) -> Path | None:
    """`$LIVEKIT_SERVER_BIN`, PATH, then our own build. None when it must be built first."""
    named = environment.get("LIVEKIT_SERVER_BIN")
    if named:
        if not shutil.which(named):
            raise CannotRun(f"LIVEKIT_SERVER_BIN={named} is not a program that can be run.")
        return Path(named).absolute()
    on_path = shutil.which(NAME, path=environment.get("PATH"))
    if on_path:
        return Path(on_path)
    built = layout.binaries / NAME
    return built if built.exists() else None


def write_config(layout: Layout, *, values: Mapping[str, str]) -> None:
    """Fill in the committed configuration. Raises CannotRun naming a value that is missing."""
    lines = [line for line in CONFIG.read_text().splitlines() if not line.lstrip().startswith("#")]
    try:
        text = Template("\n".join(lines)).substitute(values)
    except KeyError as missing:
        raise CannotRun(
            f"livekit.yaml asks for ${{{missing.args[0]}}}, which is not set."
        ) from None
    layout.livekit_config.write_text(text + "\n")


def livekit_values(ports: Ports, *, api_key: str, control_plane_url: str) -> dict[str, str]:
    """What the local stack fills in: everything on the loopback address."""
    return {
        "LIVEKIT_PORT": str(ports.livekit),
        "LIVEKIT_BIND": "127.0.0.1",
        "LIVEKIT_RTC_UDP_PORT": str(ports.rtc_udp),
        "LIVEKIT_RTC_TCP_PORT": str(ports.rtc_tcp),
        "LIVEKIT_NODE_IP": "127.0.0.1",
        "LIVEKIT_LOOPBACK": "true",
        "LIVEKIT_API_KEY": api_key,
        "CONTROL_PLANE_URL": control_plane_url,
        "LIVEKIT_AUTO_CREATE": "false",
        "PHONE_NUMBERS": "",
        "PHONE_ALLOWED_ADDRESSES": "",
        "PHONE_TRUNK_USER": "",
        "PHONE_TRUNK_PASSWORD": "",
    }


def livekit_program(
    binary: Path, layout: Layout, *, http_url: str, keys: str, environment: Mapping[str, str]
) -> Program:
    async def answers() -> bool:
        return await http_status(http_url) == httpx2.codes.OK

    return Program(
        name="livekit",
        command=(str(binary), "--config", str(layout.livekit_config)),
        environment={**environment, "LIVEKIT_KEYS": keys},
        ready=answers,
        start_timeout_s=30,
    )


async def http_status(url: str) -> int | None:
    """The status of a GET, None when nobody answers within a second."""
    try:
        async with httpx2.AsyncClient(timeout=1, trust_env=False) as client:
            return (await client.get(url)).status_code
    except httpx2.HTTPError:
        return None
