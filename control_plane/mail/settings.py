"""Where mail leaves, and from whom. Without MAIL_URL nothing is sent."""

from email.headerregistry import Address
from email.utils import parseaddr
from typing import Self
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, model_validator

from shared.settings import EnvironmentSettings

SCHEMES = frozenset({"smtp", "smtps", "smtp+plain", "file"})


class MailSettings(EnvironmentSettings):
    """
    MAIL_URL: smtp://user:password@host:587 (STARTTLS is demanded), smtps://…:465 (TLS from the
    start), smtp+plain://host:25 (no encryption, for a relay on this machine), file:///folder.
    """

    mail_url: SecretStr | None = None
    mail_from: str | None = None  # an address, or "Name <address>"
    mail_ca_file: str | None = None  # authorities besides the system's, PEM
    mail_timeout_s: float = Field(default=20.0, gt=0, le=120)  # for each answer of the server

    @model_validator(mode="after")
    def _can_be_used(self) -> Self:
        if self.mail_url is None:
            return self
        parts = urlsplit(self.mail_url.get_secret_value())
        if parts.scheme not in SCHEMES:
            raise ValueError("MAIL_URL must start with smtp://, smtps://, smtp+plain:// or file://")
        if parts.scheme == "file":
            if not unquote(parts.path).startswith("/") or parts.netloc:
                raise ValueError("MAIL_URL must be file:/// and the whole path of a folder")
        elif not parts.hostname:
            raise ValueError("MAIL_URL names no host")
        if self.mail_from is None:
            raise ValueError("MAIL_URL needs MAIL_FROM")
        sender_of(self.mail_from)
        return self


def sender_of(mail_from: str) -> Address:
    """Raises ValueError unless it is one plain address, with or without a name."""
    name, address = parseaddr(mail_from)
    if not address.isascii() or "@" not in address or not mail_from.isprintable():
        raise ValueError("MAIL_FROM must be one address")
    return Address(display_name=name, addr_spec=address)
