"""
Logs are events with fields: `log.info("call_settled", call_id=..., seconds=12)`.

No personal data: only the fields named in `SAFE_FIELDS` are written, any other value is replaced by
its type, so a careless call site leaks nothing. Exceptions keep type and place, never their text:
driver and provider messages carry row values and prompts.
"""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any

import structlog

SAFE_FIELDS = frozenset(
    "event level logger timestamp exception process call_id user_id worker_id job_id room_sid "
    "epoch seconds granted_seconds end_reason reason code status method route duration_ms count "
    "port address path version attempt retry_after_s source kind dependency slots pid exit_code "
    "signal provider model charge_id key_id error".split()
)


def configure_logging(process: str, *, json: bool = True, level: int = logging.INFO) -> None:
    """Send our records and those of libraries to standard error in one form."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        describe_exception,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            drop_unsafe_fields,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    render: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if json else structlog.dev.ConsoleRenderer(colors=False)
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    structlog.contextvars.bind_contextvars(process=process)
    # "httpx" is Replicate's, "google_genai" Gemini's: both write addresses, and more, at INFO;
    # "stripe" writes error texts, which may name the customer.
    for noisy in ("httpx", "httpcore", "google_genai", "openai", "stripe"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    for noisy in ("httpx2", "httpcore2", "aiohttp.access", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # It writes what tool servers send, addresses and ids of sessions.
    logging.getLogger("mcp").setLevel(logging.CRITICAL)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger of named events."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return logger


def drop_unsafe_fields(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Keep what is listed, reduce the rest to its type."""
    for field in event.keys() - SAFE_FIELDS:
        event[field] = f"<{type(event[field]).__name__}>"
    return event


def describe_exception(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Type and innermost places of an exception, without its message."""
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    if isinstance(info, BaseException):
        info = (type(info), info, info.__traceback__)
    if info and info[0]:
        places = [f"{f.filename}:{f.lineno}" for f in traceback.extract_tb(info[2])[-4:]]
        event["exception"] = f"{info[0].__name__} at {' < '.join(reversed(places))}"
    return event
