"""`piranha oidc`: says on the manager's machine why nobody can sign in by the issuer, or that they should."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.urls import reverse

from lvs import models
from piranha_web.access.oidc import NoSignIn
from piranha_web.access.oidc_file import Grant, Issuer, OidcFileFault, issuer

OFF = (
    "Sign-in by OpenID Connect is off: PIRANHA_OIDC_FILE names no file. docs/security.md shows one; set the "
    "variable where the web server is started."
)


def oidc_command(path: Path | None) -> int:
    """Tries it; the exit code: 0 it can be used, 1 it cannot."""
    if path is not None:
        settings.PIRANHA_OIDC_FILE = path
    try:
        config = issuer()
        if config is None:
            return failed(OFF)
        wire = importlib.import_module("piranha_web.access.oidc_wire")
        places = wire.endpoints(config)
        count = len(wire.keys(config, places.keys))
    except OidcFileFault as error:
        return failed(str(error))
    except ImportError as error:
        return failed(f"The library is not installed ({error}): pip install 'piranha-web[oidc]'")
    except NoSignIn as error:
        return failed(getattr(error, "why", str(error)))
    for line in told(config):
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(f"it asks for logins at  {places.authorization}\n")
    sys.stdout.write(f"it signs with          {count} key{'s' if count != 1 else ''} of {places.keys}\n")
    return 0 if count else failed("The issuer has no key, so that nothing of it can be believed.")


def told(config: Issuer) -> Iterator[str]:
    """What the file says, in lines; never the secret."""
    address = config.address.rstrip("/") or "https://THIS SITE"
    yield f"issuer                 {config.issuer}"
    yield f"client                 {config.client_id}{'' if config.client_secret else ', without a secret'}"
    yield f"it must know           {address}{reverse('oidc-return')}"
    yield f"name of the account    {config.name_claim}"
    for group, grant in config.roles.items():
        yield f"{config.groups_claim} has {group}: {words(grant)}"
    yield f"in none of these       {'viewer' if config.takes_all else 'refused'}"
    for name in sorted(config.same_accounts):
        yield f"same person            {name}"


def words(grant: Grant) -> str:
    """What a group gives; clusters that are not there are pointed out."""
    known = set(models.Cluster.objects.values_list("name", flat=True)) if grant.clusters else set()
    found = [f"{grant.everywhere.label} of all clusters"] if grant.everywhere is not None else []
    for name, role in grant.clusters:
        found.append(f"{role.label} of {name}" + ("" if name in known else " (there is no such cluster)"))
    return ", ".join(found)


def failed(why: str) -> int:
    """Says it, and that it is so."""
    sys.stderr.write(f"{why}\n")
    return 1
