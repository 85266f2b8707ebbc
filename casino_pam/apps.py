from django.apps import AppConfig


class CasinoPamConfig(AppConfig):
    name = "casino_pam"
    verbose_name = "Casino PAM"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Whatever commits, in whatever process, is announced."""
        # The teller knows models, which are there only now.
        from casino_pam import teller
        from casino_pam.live.announcer import announcer

        teller.after_commit.append(announcer.note)
