"""Every HTTP route on one page."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from casino_pam import health, pages
from casino_pam.api.rest import schema
from casino_pam.backoffice import log_in, search

to_overview = RedirectView.as_view(pattern_name="admin:index")

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
    path("admin/password_change/", admin.site.admin_view(log_in.change_password)),
    path("admin/login/", log_in.LogInPage.as_view()),
    path("admin/login/code/", log_in.CodePage.as_view(), name="log_in_code"),
    # Django's bare lists of tables: the side bar leads to the same pages in our words.
    *[path(f"admin/{app}/", admin.site.admin_view(to_overview)) for app in ("auth", "bonus", "wallet")],
    # Before the admin's own too: its last pattern catches every address.
    path("admin/office/", include("casino_pam.backoffice.urls")),
    path("admin/", admin.site.urls),
    # For who cannot log in yet.
    path("new-password/<uidb64>/", log_in.NewPassword.as_view(), name="new_password"),
    path("api/v1/", include("casino_pam.api.rest.urls")),
    path("api/schema/", schema.Schema.as_view(), name="schema"),
    path("api/docs/", schema.Docs.as_view(), name="docs"),
]

# Below /api/ as problem+json, elsewhere as pages.
handler400 = "casino_pam.api.rest.exceptions.bad_request"
handler403 = "casino_pam.pages.permission_denied"
handler404 = "casino_pam.pages.page_not_found"
handler500 = "casino_pam.api.rest.exceptions.server_error"
