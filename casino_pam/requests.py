"""One line in the log for each request, and no alarm for what PostgreSQL's state brought about."""

from __future__ import annotations

import sys
from typing import Any

from django.http import HttpRequest
from django_structlog.middlewares import RequestMiddleware

from wallet.pg import faults


class LoggedRequests(RequestMiddleware):
    """django_structlog's, which would log a traceback for every request that PostgreSQL did not answer."""

    def process_got_request_exception(self, sender: type[Any], request: HttpRequest, **kwargs: Any) -> None:
        if faults.fault(sys.exception()) is None:
            super().process_got_request_exception(sender, request, **kwargs)
