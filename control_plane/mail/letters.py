"""Letters: a notice in its reader's language, as text and as HTML, with a fixed Message-ID."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import Final
from uuid import UUID

import jinja2

from control_plane.mail.facts import facts_of
from control_plane.mail.settings import sender_of

TEMPLATES: Final = Path(__file__).parent / "templates"
LANGUAGES: Final = ("en", "de", "es", "fr", "pl", "pt")
DEFAULT_LANGUAGE: Final = "en"
ADDRESS_CHARS_MAX: Final = 254  # RFC 5321
LOCAL_PART_CHARS_MAX: Final = 64

# One plain mailbox (RFC 5322 dot-atom at a host name): no names, lists, routes, quotes or comments.
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS: Final = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*")

_ENVIRONMENT: Final = jinja2.Environment(
    loader=jinja2.FileSystemLoader(TEMPLATES),
    autoescape=jinja2.select_autoescape(["html"]),
    undefined=jinja2.StrictUndefined,
    keep_trailing_newline=False,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """What to tell whom. `id` makes the Message-ID: the same occasion is the same letter."""

    id: UUID
    kind: str
    payload: Mapping[str, object]
    created_at: datetime
    address: str
    language: str | None


def is_mailbox(address: str) -> bool:
    """Whether it is one address that can stand in a header as it is."""
    return (
        len(address) <= ADDRESS_CHARS_MAX
        and _ADDRESS.fullmatch(address) is not None
        and len(address.partition("@")[0]) <= LOCAL_PART_CHARS_MAX
    )


def language_for(language: str | None) -> str:
    """The language of letters for somebody who speaks `language`."""
    return language if language in LANGUAGES else DEFAULT_LANGUAGE


def compose(occasion: Occasion, *, mail_from: str) -> EmailMessage:
    """
    The letter. Raises BadNotice, or ValueError for an address that is none.

    It is the same to the byte however often it is composed, apart from the parts' boundary.
    """
    if not is_mailbox(occasion.address):
        raise ValueError("not a mailbox")
    language = language_for(occasion.language)
    facts = facts_of(occasion.kind, occasion.payload, language)
    text = _ENVIRONMENT.get_template(f"{language}/{occasion.kind}.txt").render(facts)
    subject, *paragraphs = [part.strip() for part in text.split("\n\n") if part.strip()]
    sender = sender_of(mail_from)
    letter = EmailMessage(policy=SMTP)
    letter["From"] = sender
    letter["To"] = Address(addr_spec=occasion.address)
    letter["Subject"] = subject
    letter["Date"] = format_datetime(occasion.created_at)
    letter["Message-ID"] = f"<{occasion.id}@{sender.domain}>"
    letter["Auto-Submitted"] = "auto-generated"  # RFC 3834: no absence notes in reply
    letter.set_content("\n\n".join(paragraphs) + "\n")
    html = _ENVIRONMENT.get_template("layout.html").render(
        language=language, subject=subject, paragraphs=paragraphs
    )
    letter.add_alternative(html, subtype="html")
    letter["Content-Language"] = language  # set_content would take it away
    return letter
