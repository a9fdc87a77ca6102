from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("lvs", "0011_who_is_told_when_something_is_wrong"),
    ]

    operations = [
        migrations.AddField(
            model_name="revision",
            name="edition",
            field=models.PositiveBigIntegerField(null=True),
        ),
    ]
