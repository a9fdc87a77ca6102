"""One small file per kind of check."""
