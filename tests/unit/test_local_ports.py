"""Ports of a local stack."""

import socket

import pytest

from local.failure import CannotRun
from local.ports import NAMES, Ports, free_ports, ports_from_environment, require_free


def test_without_a_word_the_usual_ports_are_taken() -> None:
    assert ports_from_environment({}) == Ports(
        web=8800, livekit=8801, rtc_tcp=8802, rtc_udp=8803, voice=8804
    )


def test_one_variable_moves_all_ports_and_another_one_of_them() -> None:
    moved = ports_from_environment({"LOCAL_PORT_BASE": "9000", "LOCAL_VOICE_PORT": "7000"})
    assert moved == Ports(web=9000, livekit=9001, rtc_tcp=9002, rtc_udp=9003, voice=7000)


@pytest.mark.parametrize("text", ["http", "0", "65536", "-1", "88\u0660\u0660"])
def test_what_is_no_port_is_refused_by_name(text: str) -> None:
    with pytest.raises(CannotRun, match="LOCAL_WEB_PORT"):
        ports_from_environment({"LOCAL_WEB_PORT": text})


def test_a_taken_port_is_named_with_what_moves_it() -> None:
    ports = free_ports()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", ports.livekit))
        taken.listen()
        with pytest.raises(
            CannotRun, match=rf"Port {ports.livekit} \(livekit\).*LOCAL_LIVEKIT_PORT"
        ):
            require_free(ports, NAMES)


def test_a_taken_udp_port_is_noticed_too() -> None:
    ports = free_ports()
    with socket.socket(type=socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", ports.rtc_udp))
        with pytest.raises(CannotRun, match="LOCAL_RTC_UDP_PORT"):
            require_free(ports, NAMES)


def test_free_ports_are_free_and_differ() -> None:
    ports = free_ports()
    require_free(ports, NAMES)
    assert len({getattr(ports, name) for name in NAMES}) == len(NAMES)
