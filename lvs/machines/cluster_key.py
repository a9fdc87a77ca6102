"""The row of a cluster's key, by which its routers' heartbeats are signed.

Whoever knows the key decides which router is active. It goes to the routers with every Apply as a parameter
of the task, and nowhere else: no revision, answer, log, page or export has it. What is shown is its id.
"""

from __future__ import annotations

import hashlib
import secrets

from django.db import models
from django.utils import timezone

KEY_BYTES = 32  # as long as the hash that signs (RFC 2104, section 3)
RING = 2  # how many a router gets: heartbeats pass while only one of the two has the newest


def new_hex() -> str:
    """A fresh key, as 64 hexadecimal digits."""
    return secrets.token_hex(KEY_BYTES)


class ClusterKey(models.Model):
    """One key of a cluster; the newest two are its ring, older ones are deleted."""

    cluster = models.ForeignKey("Cluster", models.CASCADE, related_name="keys")
    hex = models.CharField(max_length=2 * KEY_BYTES, default=new_hex, editable=False)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-pk",)

    def __str__(self) -> str:
        return f"key {self.key_id}"

    @property
    def key_id(self) -> str:
        """What may be shown of it: the first 8 hexadecimal digits of its SHA-256."""
        return hashlib.sha256(bytes.fromhex(self.hex)).hexdigest()[:8]
