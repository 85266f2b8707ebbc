"""Every HTTP route on one page."""

from django.contrib import admin
from django.urls import path
from django_prometheus.exports import ExportToDjangoView

from casino_pam import health

urlpatterns = [
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", ExportToDjangoView),
    path("admin/", admin.site.urls),
]
