from django.apps import AppConfig


class CasinoPamConfig(AppConfig):
    name = "casino_pam"
    verbose_name = "Casino PAM"
    default_auto_field = "django.db.models.BigAutoField"
