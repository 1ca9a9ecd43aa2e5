"""
A connection to the voice provider that notices when the other side is gone.

The plugin dials without a heartbeat: a host that vanished without a word would be noticed when TCP
gives up, a quarter of an hour later, and the caller would sit in silence until then.
"""

from typing import Any

import aiohttp

HEARTBEAT_S = 6.0  # gone is noticed after one and a half of these


class PingingSession:
    """What the plugin uses of an aiohttp session."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    def ws_connect(self, url: str, headers: dict[str, str]) -> Any:
        return self._session.ws_connect(url, headers=headers, heartbeat=HEARTBEAT_S)
