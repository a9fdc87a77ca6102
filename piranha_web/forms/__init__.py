"""The panels' forms: text in, values of `lvs.config.model` out."""
