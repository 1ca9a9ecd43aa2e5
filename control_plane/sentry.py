"""Reports of our bugs to Sentry, only when the operator has set SENTRY_DSN."""

from typing import TYPE_CHECKING

import sentry_sdk

from shared.settings import SentrySettings

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint


def configure_sentry(settings: SentrySettings) -> None:
    """Types and places of exceptions only: no request, no variables, no breadcrumbs, no texts."""
    if settings.sentry_dsn is None:
        return
    sentry_sdk.init(
        dsn=settings.sentry_dsn.get_secret_value(),
        data_collection={  # takes the place of send_default_pii=False, and is stricter
            "user_info": False,
            "http_bodies": [],
            "stack_frame_variables": False,
        },
        max_breadcrumbs=0,
        default_integrations=False,  # they read requests, queries and log records
        auto_enabling_integrations=False,
        before_send=without_texts,
    )


def without_texts(event: "Event", _hint: "Hint") -> "Event":
    """Driver and provider messages carry row values and prompts: the type must do."""
    for exception in event.get("exception", {}).get("values", []):
        exception["value"] = ""
    event.pop("request", None)
    event.pop("breadcrumbs", None)
    event.pop("server_name", None)
    return event
