from django.apps import AppConfig


class CasinoPamConfig(AppConfig):
    name = "casino_pam"
    verbose_name = "Casino PAM"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """In every process: what commits is announced, who is locked or excluded too, and who logs in is noted."""
        # These know models, which are there only now.
        from casino_pam.backoffice import permissions  # noqa: F401  # its receivers listen from now on
        from casino_pam.backoffice.dashboard_changes import change_publisher
        from casino_pam.engine import accounts, posting
        from casino_pam.live.publisher import publisher
        from casino_pam.live.restrictions import restriction_publisher

        posting.after_commit.append(publisher.note)
        posting.after_commit.append(change_publisher.note)
        accounts.after_restriction.append(restriction_publisher.note)
