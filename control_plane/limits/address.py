"""Where a request comes from, as far as it can be believed."""

import ipaddress
from collections.abc import Sequence
from typing import Final

from starlette.requests import Request

IPV6_PREFIX: Final = 64  # what one customer of a provider has; single addresses cost nothing
UNKNOWN: Final = "unknown"  # no address at all (a Unix socket): they share one


def client_address(request: Request, *, trusted_hops: int) -> str:
    """
    The address of the client, an IPv6 one as its /64 network.

    X-Forwarded-For is read only as far as `trusted_hops` proxies of ours wrote it: each adds what
    it sees on the right, and everything further left is the client's own invention. A request with
    fewer entries did not come through them; its connection is believed.
    """
    peer = request.client.host if request.client else ""
    if trusted_hops:
        entries = _entries(request.headers.getlist("x-forwarded-for"))
        if len(entries) >= trusted_hops:
            return _normal(entries[-trusted_hops]) or _normal(peer) or UNKNOWN
    return _normal(peer) or UNKNOWN


def _entries(headers: Sequence[str]) -> list[str]:
    return [part.strip() for header in headers for part in header.split(",") if part.strip()]


def _normal(text: str) -> str | None:
    """None for what is no address; ports and brackets that some proxies add are dropped."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, IPV6_PREFIX), strict=False))
    return str(address)
