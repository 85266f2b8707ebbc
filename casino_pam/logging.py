"""One JSON object a line on stderr, with the request's id; no secrets, and no line break that a client sent."""

import logging
import sys
from typing import Any, Final

import structlog
from django.dispatch import receiver
from django.http import HttpRequest
from django_structlog.middlewares import RequestMiddleware
from django_structlog.signals import bind_extra_request_metadata
from structlog.typing import EventDict, Processor

from wallet.pg import faults

SECRET_WORDS = ("password", "secret", "token", "signature", "authorization", "cookie", "api_key")


def without_secrets(logger: object, method: str, event: EventDict) -> EventDict:
    """Hide values whose name says secret, and query strings, where tokens and personal data travel."""
    for name in event:
        if any(word in name.lower() for word in SECRET_WORDS):
            event[name] = "***"
    if isinstance(request := event.get("request"), str):
        event["request"] = request.partition("?")[0]
    return event


# What Django and the server layer say of requests that a stranger has made up.
_OF_STRANGERS: Final = ("django.security", "uvicorn.error")
_LONGEST: Final = 200
_seldom = faults.Seldom()


def of_strangers(record: logging.LogRecord) -> bool:
    """Let such a record pass as one `warning` of one line, and only one of a kind every few seconds.

    Django calls a Host that is not ours an error and adds the traceback: whoever sends it could fill the log, and wake
    somebody up.
    """
    if not record.name.startswith(_OF_STRANGERS) or (
        record.name == "uvicorn.error" and record.levelno > logging.WARNING
    ):
        return True
    kind = record.name if record.name.startswith("django.security") else str(record.msg)
    before = _seldom.due(kind)
    if before is None:
        return False
    record.levelno, record.levelname = logging.WARNING, "WARNING"
    record.msg, record.args = record.getMessage().replace("\n", " ")[:_LONGEST], ()
    record.exc_info = record.exc_text = record.stack_info = None
    # The request itself would be printed with its address, which may be long.
    record.__dict__.pop("request", None)
    record.more_before = before
    return True


PROCESSORS: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    without_secrets,
    structlog.processors.format_exc_info,
]


def configured(level: str, cell: str) -> dict[str, Any]:
    """Configure structlog and return Django's LOGGING, so that every logger writes alike; of a cell with its name.

    JSON escapes CR and LF: one event stays one line. stderr, since commands print their results on stdout.
    """

    def named(logger: object, method: str, event: EventDict) -> EventDict:
        return {**event, "cell": cell}

    processors: list[Processor] = [*PROCESSORS, named] if cell else PROCESSORS
    structlog.configure(
        processors=[*processors, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": [structlog.stdlib.ExtraAdder(), *processors],
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.JSONRenderer(),
                ],
            }
        },
        "filters": {"strangers": {"()": lambda: of_strangers}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json", "filters": ["strangers"]}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # django_structlog tells the same of every request, with its id.
            "django.request": {"level": "CRITICAL"},
            "django.server": {"level": "CRITICAL"},
            "uvicorn": {"level": "WARNING"},
            # A traceback a second while Redis is away; casino_pam/live/hub.py says so in a line.
            "channels_redis": {"level": "CRITICAL"},
        },
    }


@receiver(bind_extra_request_metadata)
def bind_address(request: HttpRequest, **_: object) -> None:
    """The peer's address as the server layer knows it: X-Forwarded-For counts only from a trusted proxy."""
    structlog.contextvars.bind_contextvars(ip=request.META.get("REMOTE_ADDR"))


class LoggedRequests(RequestMiddleware):
    """One line for each request; a traceback only where PostgreSQL's state is not to blame."""

    def process_got_request_exception(self, sender: type[Any], request: HttpRequest, **kwargs: Any) -> None:
        if faults.fault(sys.exception()) is None:
            super().process_got_request_exception(sender, request, **kwargs)
