import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("lvs", "0010_what_redis_lets_each_router_in_by"),
    ]

    operations = [
        migrations.CreateModel(
            name="Alert",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.CharField(max_length=400, unique=True)),
                ("kind", models.CharField(max_length=24)),
                ("scope", models.CharField(max_length=200)),
                ("cluster", models.CharField(default="", max_length=64)),
                ("sentence", models.TextField()),
                ("began", models.FloatField()),
                ("told", models.FloatField(null=True)),
                ("gone", models.FloatField(null=True)),
                ("closed", models.BooleanField(default=False)),
                ("flapping", models.BooleanField(default=False)),
                ("comings", models.JSONField(default=list)),
            ],
            options={
                "ordering": ("began", "pk"),
            },
        ),
        migrations.CreateModel(
            name="AlertChoice",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("remind_hours", models.PositiveIntegerField(default=4)),
                ("servers_after", models.PositiveIntegerField(default=60)),
                ("off", models.JSONField(default=list)),
                ("quiet_until", models.DateTimeField(null=True)),
                ("quiet_cluster", models.CharField(default="", max_length=64)),
                ("quiet_by", models.CharField(default="", max_length=150)),
                ("quiet_reason", models.CharField(default="", max_length=200)),
            ],
        ),
        migrations.CreateModel(
            name="AlertMark",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=128, unique=True)),
                ("value", models.CharField(max_length=128)),
            ],
        ),
        migrations.CreateModel(
            name="AlertMessage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("target", models.CharField(db_index=True, max_length=16)),
                ("kind", models.CharField(max_length=24)),
                ("level", models.CharField(max_length=8)),
                ("title", models.CharField(max_length=300)),
                ("body", models.TextField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("sent", "Sent"),
                            ("failed", "Failed"),
                            ("dropped", "Dropped"),
                        ],
                        default="waiting",
                        max_length=8,
                    ),
                ),
                ("made_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("next_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("ended_at", models.DateTimeField(null=True)),
                ("tries", models.PositiveIntegerField(default=0)),
                ("error", models.TextField(default="")),
            ],
            options={
                "ordering": ("pk",),
                "indexes": [models.Index(fields=["state", "next_at"], name="alert_messages_to_send")],
            },
        ),
    ]
