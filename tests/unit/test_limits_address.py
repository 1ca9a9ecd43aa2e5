"""Where a request comes from is not for the client to say."""

import pytest
from starlette.requests import Request

from control_plane.limits.address import client_address


def request_from(peer: str | None, *forwarded: str) -> Request:
    return Request(
        {
            "type": "http",
            "method": "GET",
            "path": "/",
            "headers": [(b"x-forwarded-for", value.encode()) for value in forwarded],
            "client": (peer, 40_000) if peer is not None else None,
        }
    )


def test_without_proxies_the_header_is_not_read() -> None:
    request = request_from("203.0.113.9", "198.51.100.1")
    assert client_address(request, trusted_hops=0) == "203.0.113.9"


@pytest.mark.parametrize(
    ("hops", "forwarded", "address"),
    [
        (1, ["198.51.100.1"], "198.51.100.1"),
        (1, ["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
        (1, ["1.1.1.1", "198.51.100.1"], "198.51.100.1"),
        (2, ["1.1.1.1, 198.51.100.1, 10.0.0.5"], "198.51.100.1"),
        (2, ["10.0.0.5"], "203.0.113.9"),
        (1, [], "203.0.113.9"),
        (1, ["not an address"], "203.0.113.9"),
        (1, ["198.51.100.1:52100"], "198.51.100.1"),
        (1, ["[2001:db8:1:2:3::4]:52100"], "2001:db8:1:2::/64"),
    ],
)
def test_only_what_our_proxies_wrote_is_believed(
    hops: int, forwarded: list[str], address: str
) -> None:
    request = request_from("203.0.113.9", *forwarded)
    assert client_address(request, trusted_hops=hops) == address


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("fe80::1%eth0", "fe80::/64"),
        (None, "unknown"),
        ("", "unknown"),
    ],
)
def test_an_address_has_one_form(peer: str | None, address: str) -> None:
    assert client_address(request_from(peer), trusted_hops=0) == address
