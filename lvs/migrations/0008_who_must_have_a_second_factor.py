from django.db import migrations, models

ROLES = [(1, "viewer"), (2, "operator"), (3, "administrator")]


class Migration(migrations.Migration):
    dependencies = [
        ("lvs", "0007_a_version_of_each_virtual_server"),
    ]

    operations = [
        migrations.CreateModel(
            name="FactorRule",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("least_role", models.PositiveSmallIntegerField(choices=ROLES)),
            ],
        ),
        migrations.AddField(
            model_name="account",
            name="needs_factor",
            field=models.BooleanField(default=False),
        ),
    ]
