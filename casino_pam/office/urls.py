"""Every acting page of the back office, below /admin/office/."""

from __future__ import annotations

from django.urls import URLPattern, path

from casino_pam.office import acting, approvals, provider_files, pulse, reports, rounds, trail, withdrawals

app_name = "office"
urlpatterns: list[URLPattern] = [
    *acting.patterns(),
    *approvals.patterns(),
    path("withdrawals/", withdrawals.page, name="withdrawals"),
    path("round/", rounds.page, name="round"),
    *reports.patterns(),
    *pulse.patterns(),
    *trail.patterns(),
    *provider_files.patterns(),
]
