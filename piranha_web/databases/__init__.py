"""The site's database as a whole: which one it is, moved to another, backed up and restored."""
