"""
The second document of livekit.yaml: which trunk and which dispatch rule there shall be.

livekit-server decodes the first document of the file and no other, and refuses keys it does not
know, so what is ours stands behind the `---`.
"""

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Annotated, Any, Final

import yaml  # type: ignore[import-untyped]  # its stubs are another distribution
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

CONFIG: Final = Path(__file__).resolve().parents[2] / "livekit.yaml"
DEFAULTS: Final = {
    "PHONE_NUMBERS": "",
    "PHONE_ALLOWED_ADDRESSES": "",
    "PHONE_TRUNK_USER": "",
    "PHONE_TRUNK_PASSWORD": "",
}
NUMBERS_MAX: Final = 100
NUMBER_PATTERN: Final = r"^\+[1-9][0-9]{6,14}$"  # E.164
FILE_BYTES_MAX: Final = 100_000  # ours has 4,000
PREFIX_BITS_MIN: Final = {4: 8, 6: 16}  # of an allowed network: a wider one is everybody


class TrunkFileRefused(Exception):
    """What is wrong with the file, in words for the operator."""


def _listed(value: Any) -> Any:
    """`a, b` as the environment has it, or a list as a person writes it."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _network(value: str) -> str:
    """As the provider lists them: an address, or a network that is a provider's and not a world."""
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise ValueError("is no address and no network like 192.0.2.0/24") from None
    if network.prefixlen < PREFIX_BITS_MIN[network.version]:
        raise ValueError("allows half the world to call in")
    return value


E164 = Annotated[str, StringConstraints(pattern=NUMBER_PATTERN)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,40}$")]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Trunk(_Section):
    """An inbound trunk: our numbers, and by what the provider is known."""

    name: Name
    numbers: Annotated[list[E164], BeforeValidator(_listed), Field(max_length=NUMBERS_MAX)]
    allowed_addresses: Annotated[
        list[Annotated[str, AfterValidator(_network)]],
        BeforeValidator(_listed),
        Field(max_length=NUMBERS_MAX),
    ]
    auth_username: str = ""
    auth_password: str = Field(default="", repr=False)
    ringing_timeout_s: int = Field(ge=5, le=120)
    max_call_s: int = Field(ge=60, le=24 * 3600)


class Rule(_Section):
    """One room a call, named after the number that was called: never after who calls."""

    name: Name


class TrunkFile(_Section):
    """All that `apply` makes. There is no outbound trunk: outbound calls are off."""

    trunk: Trunk
    rule: Rule


def read_trunk_file(environment: Mapping[str, str], path: Path = CONFIG) -> TrunkFile:
    """Raises TrunkFileRefused; its text holds no value of the file."""
    try:
        with path.open("rb") as file:
            text = file.read(FILE_BYTES_MAX + 1).decode()
    except (OSError, UnicodeDecodeError) as problem:
        raise TrunkFileRefused(f"{path.name} cannot be read ({type(problem).__name__})") from None
    if len(text) > FILE_BYTES_MAX:
        raise TrunkFileRefused(f"{path.name} is too long")
    return parse_trunk_file(text.replace("\r\n", "\n"), environment)


def parse_trunk_file(text: str, environment: Mapping[str, str]) -> TrunkFile:
    """As `read_trunk_file`; `text` is the whole of livekit.yaml."""
    _, mark, ours = text.partition("\n---\n")
    if not mark:
        raise TrunkFileRefused("livekit.yaml has no second document (`---`) with `phone:`")
    try:
        section = _filled(_phone_of(ours), {**DEFAULTS, **environment})
    except KeyError as missing:
        raise TrunkFileRefused(
            f"livekit.yaml asks for {missing.args[0]}, which is not set"
        ) from None
    except ValueError:
        raise TrunkFileRefused("livekit.yaml has a $ that names no setting") from None
    try:
        wanted = TrunkFile.model_validate(section)
    except ValidationError as error:
        raise TrunkFileRefused(_in_words(error)) from None
    _check(wanted.trunk)
    return wanted


class _Plain(yaml.SafeLoader):  # type: ignore[misc]  # its base is untyped
    """Without references: nine lines of them unfold to a billion values."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("a reference")
        return super().compose_node(parent, index)


def _phone_of(document: str) -> dict[str, Any]:
    """The section `phone` of the second document. Raises TrunkFileRefused."""
    try:
        whole = yaml.load(document, Loader=_Plain)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, RecursionError, ValueError):  # ValueError: no such day of a month
        raise TrunkFileRefused("the second document of livekit.yaml cannot be read") from None
    section = whole.get("phone") if isinstance(whole, dict) else None
    if not isinstance(section, dict):
        raise TrunkFileRefused("the second document of livekit.yaml has no section `phone:`")
    return section


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    """Names in ${} replaced after parsing: a password may hold anything, and stays one."""
    if isinstance(value, dict):
        return {key: _filled(part, values) for key, part in value.items()}
    if isinstance(value, list):
        return [_filled(part, values) for part in value]
    return Template(value).substitute(values) if isinstance(value, str) else value


def _check(trunk: Trunk) -> None:
    if not trunk.numbers:
        raise TrunkFileRefused("no numbers: set PHONE_NUMBERS to what the provider gave you")
    if not trunk.allowed_addresses and not trunk.auth_username:
        raise TrunkFileRefused(
            "anybody could call in: set PHONE_ALLOWED_ADDRESSES to the provider's addresses, "
            "or PHONE_TRUNK_USER and PHONE_TRUNK_PASSWORD"
        )
    if bool(trunk.auth_username) != bool(trunk.auth_password):
        raise TrunkFileRefused("a trunk has a user and a password, or neither")


def _in_words(error: ValidationError) -> str:
    return "; ".join(
        f"phone.{'.'.join(str(part) for part in issue['loc'])}: {issue['msg']}"
        for issue in error.errors(include_input=False, include_url=False)
    )
