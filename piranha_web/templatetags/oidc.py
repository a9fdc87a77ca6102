"""The way to log in by an OpenID Connect issuer, where there is one."""

from __future__ import annotations

import logging

from django import template

from piranha_web.access.oidc_file import OidcFileFault, issuer

register = template.Library()
log = logging.getLogger("piranha.access")


@register.inclusion_tag("account/_oidc.html")
def sign_in_by_issuer(next_page: str) -> dict[str, object]:
    """The button; a sentence where the file cannot be used; nothing where it is off."""
    try:
        return {"issuer": issuer(), "next": next_page}
    except OidcFileFault as error:
        log.error("sign-in by OpenID Connect: %s", error)
        return {"is_out_of_order": True}
