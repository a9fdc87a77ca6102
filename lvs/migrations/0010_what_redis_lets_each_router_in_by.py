from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("lvs", "0009_the_invitations_of_routers"),
    ]

    operations = [
        migrations.AddField(
            model_name="router",
            name="redis_hash",
            field=models.CharField(default="", editable=False, max_length=64),
        ),
        migrations.AddField(
            model_name="router",
            name="revoked_hash",
            field=models.CharField(default="", editable=False, max_length=64),
        ),
    ]
