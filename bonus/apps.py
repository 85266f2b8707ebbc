from django.apps import AppConfig


class BonusConfig(AppConfig):
    name = "bonus"
    verbose_name = "Bonuses"
    default_auto_field = "django.db.models.BigAutoField"
