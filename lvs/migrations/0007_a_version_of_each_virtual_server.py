"""Gives each virtual server a version, by which it is known what was read of it before."""

from __future__ import annotations

from django.db import migrations, models

import lvs.rows.versions


class Migration(migrations.Migration):
    dependencies = [("lvs", "0006_who_an_issuer_vouches_for")]

    operations = [
        migrations.AddField(
            model_name="virtualserver",
            name="version",
            field=models.BigIntegerField(default=lvs.rows.versions.new_version),
        ),
    ]
