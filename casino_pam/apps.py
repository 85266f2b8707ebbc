from django.apps import AppConfig


class CasinoPamConfig(AppConfig):
    name = "casino_pam"
    verbose_name = "Casino PAM"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Whatever commits, in whatever process, is announced; whoever logs in is noted."""
        # These know models, which are there only now.
        from casino_pam.backoffice import permissions  # noqa: F401  # its receivers listen from now on
        from casino_pam.engine import posting
        from casino_pam.live.publisher import publisher

        posting.after_commit.append(publisher.note)
