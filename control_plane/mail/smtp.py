"""
Letters leave by SMTP (aiosmtplib). Every answer has a time limit, and nothing goes out in clear
unless the settings say so: a server that does not offer STARTTLS is no server.
"""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Final
from urllib.parse import unquote, urlsplit

import aiosmtplib

from control_plane.mail.port import Line, MailAway, MailRefused
from control_plane.mail.settings import MailSettings

_PORTS: Final = {"smtp": 587, "smtps": 465, "smtp+plain": 25}
_PERMANENT: Final = 500
QUIT_TIMEOUT_S: Final = 2.0  # everything that matters was said
_AWAY: Final = (
    aiosmtplib.SMTPServerDisconnected,
    aiosmtplib.SMTPTimeoutError,
    aiosmtplib.SMTPConnectError,
    OSError,
)


@dataclass(frozen=True, slots=True)
class SmtpLine:
    client: aiosmtplib.SMTP

    async def send(self, letter: EmailMessage) -> None:
        """One transaction of the protocol."""
        try:
            await self.client.send_message(letter)
        except aiosmtplib.SMTPRecipientsRefused as error:
            code = max(refused.code for refused in error.recipients)
            _raise_for("recipient_refused", code)
        except aiosmtplib.SMTPSenderRefused as error:
            raise MailAway("sender_refused", is_all=True) from error  # our address: our settings
        except aiosmtplib.SMTPNotSupported as error:  # an address beyond ASCII, for this server
            raise MailRefused("not_supported") from error
        except aiosmtplib.SMTPResponseException as error:
            _raise_for("data_refused", error.code)
        except _AWAY as error:
            raise MailAway("connection_lost", is_unknown=True, is_all=True) from error
        except ValueError as error:  # an address that the library cannot read
            raise MailRefused("bad_letter") from error


def _raise_for(word: str, code: int) -> None:
    if code >= _PERMANENT:
        raise MailRefused(word)
    raise MailAway(word)


@dataclass(frozen=True, slots=True)
class SmtpCarrier:
    settings: MailSettings

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Line]:
        """A connection, greeted, encrypted and logged in."""
        client = self._client()
        try:
            await client.connect()
        except aiosmtplib.SMTPAuthenticationError as error:
            raise MailAway("login_refused", is_all=True) from error
        except (ssl.SSLError, ssl.CertificateError) as error:
            raise MailAway("tls_failed", is_all=True) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise MailAway("no_server", is_all=True) from error
        try:
            yield SmtpLine(client)
            with suppress(aiosmtplib.SMTPException, OSError):
                await client.quit(timeout=QUIT_TIMEOUT_S)
        finally:
            client.close()  # no farewell to who does not answer: a process that stops cannot wait

    def _client(self) -> aiosmtplib.SMTP:
        assert self.settings.mail_url is not None, "checked where the carrier is chosen"
        parts = urlsplit(self.settings.mail_url.get_secret_value())
        is_plain = parts.scheme == "smtp+plain"
        context = None
        if not is_plain:
            context = ssl.create_default_context()
            if self.settings.mail_ca_file:
                context.load_verify_locations(self.settings.mail_ca_file)
        return aiosmtplib.SMTP(
            hostname=parts.hostname,
            port=parts.port or _PORTS[parts.scheme],
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            use_tls=parts.scheme == "smtps",
            start_tls=parts.scheme == "smtp",
            tls_context=context,
            timeout=self.settings.mail_timeout_s,
        )
