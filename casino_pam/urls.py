"""Every HTTP route on one page."""

from django.contrib import admin
from django.urls import include, path

from casino_pam import health, pages
from casino_pam.api.rest import schema
from casino_pam.backoffice import permissions, search

urlpatterns = [
    path("", pages.landing, name="landing"),
    path("play", pages.play, name="play"),
    path("problems/", pages.problem_list, name="problem_list"),
    path("problems/<slug:code>", pages.problem, name="problem"),
    path("healthz", health.healthz),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics),
    # Before the admin's own: one search box for the whole house, where unfold's knows names of pages only.
    path("admin/search/", admin.site.admin_view(search.search)),
    path("admin/password_change/", admin.site.admin_view(permissions.change_password)),
    # Before the admin's own too: its last pattern catches every address.
    path("admin/office/", include("casino_pam.backoffice.urls")),
    path("admin/", admin.site.urls),
    # For who cannot log in yet.
    path("new-password/<uidb64>/", permissions.NewPassword.as_view(), name="new_password"),
    path("api/v1/", include("casino_pam.api.rest.urls")),
    path("api/schema/", schema.Schema.as_view(), name="schema"),
    path("api/docs/", schema.Docs.as_view(), name="docs"),
]

# Below /api/ as problem+json, elsewhere as Django's own pages.
handler400 = "casino_pam.api.rest.exceptions.bad_request"
handler403 = "casino_pam.api.rest.exceptions.permission_denied"
handler404 = "casino_pam.api.rest.exceptions.page_not_found"
handler500 = "casino_pam.api.rest.exceptions.server_error"
