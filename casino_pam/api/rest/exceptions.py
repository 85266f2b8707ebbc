"""Every failure of the REST door as one shape of problem+json, and none of them a traceback."""

from __future__ import annotations

import sys
from typing import Any, Final

import structlog
from django.core.exceptions import DisallowedHost, RequestDataTooBig, SuspiciousOperation
from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.views import defaults
from rest_framework import exceptions
from rest_framework.response import Response

from casino_pam import problems
from casino_pam.api import responses
from wallet.errors import Busy, Refused
from wallet.pg import faults

log = structlog.get_logger(__name__)

# The first that fits is the answer.
_CODES: Final[tuple[tuple[type[Exception], str], ...]] = (
    (exceptions.NotAuthenticated, "unauthenticated"),
    (exceptions.AuthenticationFailed, "unauthenticated"),
    (exceptions.PermissionDenied, "forbidden"),
    (DjangoPermissionDenied, "forbidden"),
    (exceptions.NotFound, "not_found"),
    (Http404, "not_found"),
    (exceptions.MethodNotAllowed, "method_not_allowed"),
    (exceptions.UnsupportedMediaType, "unsupported_media_type"),
    (exceptions.Throttled, "rate_limited"),
    (exceptions.ParseError, "malformed"),
    (RequestDataTooBig, "too_large"),
    (SuspiciousOperation, "malformed"),
)


def request_id() -> str:
    """The id under which this request is logged."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


def refused(error: Exception) -> Refused:
    """What an exception means to the caller; what it means to us is logged."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, DisallowedHost):
        # Whoever sets a house up meets it first, and would look for a fault in the body.
        return Refused("malformed", detail="This Host is not served here: it is none of ALLOWED_HOSTS.")
    for kind, code in _CODES:
        if isinstance(error, kind):
            return Refused(code)
    state = faults.fault(error)
    if state is not None:
        faults.note(error)
        return Busy(state)
    log.critical("rest_failed", exc_info=error)
    return Refused("internal")


def headers(status: int) -> dict[str, str]:
    named = {**problems.headers(status), "X-Request-ID": request_id()}
    if status == 401:
        named["WWW-Authenticate"] = "Api-Key, Bearer"
    return named


def handler(error: Exception, context: dict[str, Any]) -> Response:
    """DRF's EXCEPTION_HANDLER."""
    refusal = refused(error)
    problem = responses.problem(refusal, request_id())
    named = headers(refusal.status)
    wait: int | None = getattr(error, "wait", None)
    if wait is not None:
        named["Retry-After"] = str(wait)
    return Response(problem, refusal.status, headers=named, content_type=named.pop("Content-Type"))


# --- what Django answers itself --------------------------------------------------------------


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    return problem_response(refused(exception)) if _api(request) else defaults.bad_request(request, exception)


def server_error(request: HttpRequest) -> HttpResponseBase:
    """Any exception of a view that is none of DRF's, or of a middleware; 503 where PostgreSQL's state is to blame."""
    error = sys.exception()
    state = faults.fault(error)
    if state is not None and error is not None:
        faults.note(error)
        headers, body = problems.answer(request.path_info, Busy(state), request_id())
        return HttpResponse(body, status=503, headers=headers)
    return problem_response(Refused("internal")) if _api(request) else defaults.server_error(request)


def _api(request: HttpRequest) -> bool:
    return request.path_info.startswith(problems.API)


def problem_response(refusal: Refused) -> HttpResponse:
    """The refusal of a request that no view of DRF's has answered."""
    body = problems.body(refusal, request_id())
    return HttpResponse(body, status=refusal.status, headers=headers(refusal.status))
