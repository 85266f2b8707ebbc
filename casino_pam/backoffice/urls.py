"""Every acting page of the back office, below /admin/office/."""

from __future__ import annotations

from django.urls import URLPattern, path

from casino_pam.backoffice import (
    approval_pages,
    catalogue_pages,
    dashboard,
    event_pages,
    grant_list_pages,
    job_page,
    list_files,
    own_account,
    player_panel,
    provider_files,
    report_pages,
    withdrawal_batch,
    withdrawals,
)
from casino_pam.backoffice.actions import action_page

app_name = "backoffice"
urlpatterns: list[URLPattern] = [
    *action_page.patterns(),
    *approval_pages.patterns(),
    path("withdrawals/", withdrawals.page, name="withdrawals"),
    path("withdrawals/many/", withdrawal_batch.page, name="many_withdrawals"),
    path("jobs/", job_page.page, name="jobs"),
    path("round/", player_panel.page, name="round"),
    *event_pages.patterns(),
    *report_pages.patterns(),
    *dashboard.patterns(),
    *list_files.patterns(),
    *catalogue_pages.patterns(),
    *provider_files.patterns(),
    *grant_list_pages.patterns(),
    *own_account.patterns(),
]
