"""The doors: Django (REST, admin, pages)."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "casino_pam.settings")
application = get_asgi_application()
