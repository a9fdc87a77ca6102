"""PostgreSQL as this site uses it (`base`): Django's own, with one who writes at a time."""
