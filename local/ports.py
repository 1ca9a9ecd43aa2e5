"""The ports of a stack: from the environment, or whatever is free."""

import contextlib
import secrets
import socket
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, fields

from local.failure import CannotRun

PORT_BASE = 8800  # away from 8000, 8080 and LiveKit's own 7880, which developers often use
PORT_MAX = 65_535
# Below the range from which the kernel picks the near end of connections: a port that was free when
# we looked must not become one of those before its server binds it.
FREE_RANGE = range(12_000, 32_000)
TRIES_MAX = 50


@dataclass(frozen=True, slots=True)
class Ports:
    """All on the loopback address. Postgres and Redis listen on Unix sockets."""

    web: int
    livekit: int
    rtc_tcp: int
    rtc_udp: int
    voice: int


NAMES = tuple(field.name for field in fields(Ports))


def variable_of(name: str) -> str:
    """The environment variable that moves one port."""
    return f"LOCAL_{name.upper()}_PORT"


def ports_from_environment(environment: Mapping[str, str]) -> Ports:
    """LOCAL_PORT_BASE moves all, LOCAL_WEB_PORT and so on single ones. Raises CannotRun."""
    base = _port(environment, "LOCAL_PORT_BASE", PORT_BASE)
    return Ports(
        **{name: _port(environment, variable_of(name), base + i) for i, name in enumerate(NAMES)}
    )


def _port(environment: Mapping[str, str], variable: str, default: int) -> int:
    text = environment.get(variable) or str(default)
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= PORT_MAX:
        raise CannotRun(f"{variable}={text!r} is not a port number (1 to {PORT_MAX}).")
    return int(text)


def free_ports() -> Ports:
    """Ports that nobody uses at this moment. Raises CannotRun when none can be found."""
    with ExitStack() as held:
        return Ports(**{name: _take_any(held, name) for name in NAMES})


def require_free(ports: Ports, names: Iterable[str]) -> None:
    """Raises CannotRun that names the first port in use and what moves it."""
    for name in names:
        port = getattr(ports, name)
        try:
            with ExitStack() as held:
                _take(held, _kind(name), port)
        except OSError as error:
            raise CannotRun(
                f"Port {port} ({name}) cannot be used ({error.strerror}): stop the program that "
                f"holds it, or set {variable_of(name)} or LOCAL_PORT_BASE to move this stack."
            ) from error


def _kind(name: str) -> socket.SocketKind:
    return socket.SOCK_DGRAM if name == "rtc_udp" else socket.SOCK_STREAM


def _take_any(held: ExitStack, name: str) -> int:
    for _ in range(TRIES_MAX):
        with contextlib.suppress(OSError):
            return _take(held, _kind(name), secrets.choice(FREE_RANGE))
    raise CannotRun(f"No free port was found for {name} in {FREE_RANGE}.")


def _take(held: ExitStack, kind: socket.SocketKind, port: int) -> int:
    taken = held.enter_context(socket.socket(socket.AF_INET, kind))
    if kind is socket.SOCK_STREAM:
        # As the servers do: connections of a stack stopped a moment ago do not count.
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    taken.bind(("127.0.0.1", port))
    return port
