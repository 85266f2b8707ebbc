from django.apps import AppConfig


class WalletConfig(AppConfig):
    name = "wallet"
    verbose_name = "Wallet"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Whoever changes somebody else's account is noted, by whatever page or command; open bets are kept."""
        from wallet import second_person  # noqa: F401  # its receivers listen from now on
        from wallet.reports import open_bets, sums

        sums.further_sums.append(open_bets.KEPT)
