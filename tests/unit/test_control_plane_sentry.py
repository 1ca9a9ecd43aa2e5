"""What Sentry would be sent: types and places, nothing anybody said or paid."""

from typing import Any

import sentry_sdk
from pydantic import SecretStr
from sentry_sdk.transport import Transport

from control_plane.sentry import configure_sentry
from shared.settings import SentrySettings

SECRET = "what the caller said"


class Mailbox(Transport):
    """Keeps envelopes instead of sending them."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[Any] = []

    def capture_envelope(self, envelope: Any) -> None:
        self.sent.append(envelope)


def test_without_a_dsn_nothing_is_configured() -> None:
    configure_sentry(SentrySettings(sentry_dsn=None))
    assert not sentry_sdk.get_client().is_active()


def test_a_report_names_the_type_and_the_place_only() -> None:
    configure_sentry(SentrySettings(sentry_dsn=SecretStr("http://key@127.0.0.1:9/1")))
    client = sentry_sdk.get_client()
    mailbox = Mailbox()
    client.transport = mailbox
    try:
        _fail("what the caller " + "said")
    except RuntimeError as error:
        sentry_sdk.capture_exception(error)
    finally:
        sentry_sdk.get_global_scope().set_client(None)

    (envelope,) = mailbox.sent
    assert SECRET not in envelope.serialize().decode()
    event = envelope.get_event()
    (failure,) = event["exception"]["values"]
    assert (failure["type"], failure["value"]) == ("RuntimeError", "")
    frames = failure["stacktrace"]["frames"]
    assert frames[-1]["function"] == "_fail"
    assert all("vars" not in frame for frame in frames)
    assert not {"server_name", "request", "breadcrumbs", "user"} & set(event)


def _fail(said: str) -> None:
    raise RuntimeError(f"could not store {said}")
