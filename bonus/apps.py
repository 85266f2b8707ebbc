from django.apps import AppConfig


class BonusConfig(AppConfig):
    name = "bonus"
    verbose_name = "Bonuses"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """What builds on the wallet is reconciled with it, and its sums are kept with the wallet's."""
        from bonus import bonus_checks, campaigns
        from wallet.reconcile import further_checks
        from wallet.reports.sums import further_sums

        further_checks.append(bonus_checks.look)
        further_sums.append(campaigns.SUMS)
