"""The form of a backup."""
