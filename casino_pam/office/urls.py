"""Every acting page of the back office, below /admin/office/."""

from __future__ import annotations

from django.urls import URLPattern

from casino_pam.office import reports

app_name = "office"
urlpatterns: list[URLPattern] = [
    *reports.patterns(),
]
