"""Which carrier the settings choose."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from control_plane.mail.folder import FolderCarrier
from control_plane.mail.port import Carrier
from control_plane.mail.settings import MailSettings
from control_plane.mail.smtp import SmtpCarrier


def open_carrier(settings: MailSettings) -> Carrier | None:
    """None without MAIL_URL: then mails wait, and the older ones are never sent."""
    if settings.mail_url is None:
        return None
    parts = urlsplit(settings.mail_url.get_secret_value())
    if parts.scheme == "file":
        return FolderCarrier(Path(unquote(parts.path)))
    return SmtpCarrier(settings)
