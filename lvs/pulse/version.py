"""Which version of Piranha Web this is."""

from __future__ import annotations

import functools


@functools.cache
def version() -> str:
    """As it was installed. Found out when somebody asks: it takes longer than all else of pulse's start."""
    from importlib import metadata

    return metadata.version("piranha-web")
