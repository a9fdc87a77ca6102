import django.utils.timezone
from django.db import migrations, models

from lvs.rows import append_only


def make(apps, schema_editor):
    """The table, which is nobody else's to empty, and the triggers that keep its rows."""
    schema_editor.create_model(apps.get_model("lvs", "AuditEntry"))
    append_only.guard(schema_editor.connection)


def drop(apps, schema_editor):
    schema_editor.delete_model(apps.get_model("lvs", "AuditEntry"))


class Migration(migrations.Migration):
    dependencies = [
        ("lvs", "0004_who_may_use_it"),
    ]

    operations = [
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField(db_index=True, default=django.utils.timezone.now)),
                ("user", models.CharField(db_index=True, default="", max_length=300)),
                ("address", models.CharField(default="", max_length=96)),
                ("cluster", models.CharField(default="", max_length=128)),
                (
                    "action",
                    models.CharField(
                        choices=[
                            ("login", "log in"),
                            ("logout", "log out"),
                            ("password", "change a password"),
                            ("account", "change accounts and roles"),
                            ("cluster", "make a cluster"),
                            ("candidate", "change the configuration"),
                            ("import", "import an lvs.cf"),
                            ("discard", "discard changes"),
                            ("take_back", "take back a revision"),
                            ("apply", "apply"),
                            ("confirm", "keep a revision"),
                            ("roll_back", "roll back"),
                            ("take_in", "take in a router's lvs.cf"),
                            ("put_back", "put back on a router"),
                            ("switch", "switch over"),
                            ("take_over", "take over by force"),
                            ("order", "order for real servers"),
                            ("test", "test a check"),
                            ("check", "check a real server"),
                            ("key", "make a new key"),
                            ("network", "reach the site"),
                            ("forbidden", "do what the role does not allow"),
                            ("foreign_form", "send a form of no page"),
                            ("export", "export the audit log"),
                            ("prune", "prune the audit log"),
                        ],
                        max_length=16,
                    ),
                ),
                ("target", models.CharField(default="", max_length=300)),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("done", "Done"),
                            ("asked", "Asked"),
                            ("failed", "Failed"),
                            ("refused", "Refused"),
                        ],
                        default="done",
                        max_length=8,
                    ),
                ),
                ("text", models.TextField()),
                ("details", models.JSONField(default=dict)),
            ],
            options={
                "ordering": ("-pk",),
                "managed": False,
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("id__gte", 0)), name="audit_ids_count_up")
                ],
            },
        ),
        migrations.RunPython(make, drop),
    ]
