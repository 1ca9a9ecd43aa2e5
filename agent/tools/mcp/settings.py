"""
Which servers, in one setting: a list in JSON, or the path of a file that holds one.

    AGENT_MCP_SERVERS=[{"name": "weather", "url": "https://weather.example/mcp",
                        "tools": ["forecast"], "headers": {"Authorization": "WEATHER_TOKEN"}}]

`headers` names for each header the environment variable that holds its value: no secret is in the
list. Only the tools that are named are offered.
"""

import json
import os
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator
from pydantic_settings import NoDecode

SERVERS_MAX: Final = 8
TOOLS_MAX: Final = 16  # of one server: each is paid for at every turn
TIMEOUT_S_MAX: Final = 10.0  # the caller waits in silence
FILE_BYTES_MAX: Final = 64 * 1024

_HEADER: Final = r"^[A-Za-z0-9-]{1,64}$"
_VARIABLE: Final = r"^[A-Za-z_][A-Za-z0-9_]{0,99}$"

Header = Annotated[str, Field(pattern=_HEADER)]
Variable = Annotated[str, Field(pattern=_VARIABLE)]


class McpServer(BaseModel):
    """`timeout_s` is for one use, the connection included."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]{0,15}$")]
    url: str = Field(repr=False)  # some carry a key in it
    tools: Annotated[tuple[str, ...], Field(min_length=1, max_length=TOOLS_MAX)]
    headers: dict[Header, Variable] = {}
    timeout_s: float = Field(default=3.0, gt=0, le=TIMEOUT_S_MAX)

    @field_validator("url")
    @classmethod
    def _is_http_url(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value

    @field_validator("headers")
    @classmethod
    def _has_values(cls, value: dict[str, str]) -> dict[str, str]:
        for variable in value.values():
            if not os.environ.get(variable):
                raise ValueError(f"{variable} is not set")
        return value

    @property
    def header_values(self) -> dict[str, str]:
        """Read when they are sent, and kept nowhere."""
        return {header: os.environ[variable] for header, variable in self.headers.items()}


def _read(value: Any) -> Any:
    """The list itself, of a setting that holds it or names its file."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    try:
        if not text.startswith("["):
            text = Path(text).read_bytes()[:FILE_BYTES_MAX].decode()
        return json.loads(text)
    except (OSError, ValueError):
        raise ValueError("must be a list in JSON, or the path of a file with one") from None


def _are_distinct(servers: tuple[McpServer, ...]) -> tuple[McpServer, ...]:
    if len({server.name for server in servers}) < len(servers):
        raise ValueError("two servers have one name")
    return servers


McpServers = Annotated[
    tuple[McpServer, ...],
    Field(max_length=SERVERS_MAX),
    NoDecode,
    BeforeValidator(_read),
    AfterValidator(_are_distinct),
]
