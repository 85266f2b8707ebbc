"""Back ends that are told of events, and the outbox of what each is to be told."""

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models
from django.db.models import PROTECT, Q

from wallet.models.endpoint import validate_url


class Migration(migrations.Migration):
    dependencies = [("wallet", "0018_jobs")]

    operations = [
        migrations.CreateModel(
            name="Endpoint",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("code", models.CharField(max_length=48, unique=True)),
                ("url", models.CharField(max_length=500, validators=[validate_url])),
                ("kinds", ArrayField(models.CharField(max_length=32), blank=True, default=list, size=None)),
                ("enabled", models.BooleanField(default=True)),
                ("secret", models.BinaryField(null=True)),
                ("failures", models.PositiveIntegerField(default=0, editable=False)),
                ("retry_at", models.DateTimeField(editable=False, null=True)),
                ("answer", models.CharField(blank=True, default="", editable=False, max_length=200)),
                ("asked_at", models.DateTimeField(editable=False, null=True)),
                ("delivered_at", models.DateTimeField(editable=False, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "ordering": ["code"],
                "default_permissions": ("view", "add", "change"),
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(("code__regex", "^[a-z0-9][a-z0-9_-]{0,47}$")), name="endpoint_code_shape"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Delivery",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("position", models.BigIntegerField()),
                ("event", models.UUIDField()),
                ("kind", models.CharField(max_length=32)),
                ("player", models.CharField(max_length=128)),
                ("body", models.TextField()),
                ("created_at", models.DateTimeField()),
                ("since", models.DateTimeField()),
                (
                    "state",
                    models.CharField(
                        choices=[("pending", "Pending"), ("delivered", "Delivered"), ("failed", "Failed")],
                        default="pending",
                        max_length=16,
                    ),
                ),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("retry_at", models.DateTimeField(null=True)),
                ("answer", models.CharField(default="", max_length=200)),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "endpoint",
                    models.ForeignKey(
                        db_index=False, on_delete=PROTECT, related_name="deliveries", to="wallet.endpoint"
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "deliveries",
                "default_permissions": (),
                "indexes": [
                    models.Index(
                        condition=Q(("state", "pending")),
                        fields=["endpoint", "position", "id"],
                        name="delivery_pending",
                    ),
                    models.Index(
                        condition=Q(("retry_at__isnull", False), ("state", "pending")),
                        fields=["endpoint", "retry_at"],
                        name="delivery_refused",
                    ),
                    models.Index(condition=Q(("state", "failed")), fields=["endpoint", "-id"], name="delivery_failed"),
                    models.Index(condition=Q(("ended_at__isnull", False)), fields=["ended_at"], name="delivery_ended"),
                    models.Index(fields=["endpoint", "created_at"], name="delivery_written"),
                ],
                "constraints": [models.UniqueConstraint(fields=("endpoint", "event"), name="delivery_of_event")],
            },
        ),
    ]
