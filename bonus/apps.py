from django.apps import AppConfig


class BonusConfig(AppConfig):
    name = "bonus"
    verbose_name = "Bonuses"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """What builds on the wallet is reconciled with it."""
        from bonus import bonus_checks
        from wallet.reconcile import further_checks

        further_checks.append(bonus_checks.look)
