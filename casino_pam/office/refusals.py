"""Every 403 below /admin/ leaves a row in the audit trail, if only that a page was refused."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from casino_pam.office import audit

Handler = Callable[[HttpRequest], HttpResponse]


def audited_refusals(get_response: Handler) -> Handler:
    """Middleware, because the views' own transactions are rolled back by the time a refusal is answered."""

    def answered(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        refused = response.status_code == 403 and not getattr(request, "audited", False)
        # Strangers are led to the log-in; what else they are refused would only let them fill the trail.
        if refused and request.path.startswith("/admin/") and request.user.is_authenticated:
            audit.record(request, "open page", subject=f"{request.method} {request.path}", outcome=audit.REFUSED)
        return response

    return answered
