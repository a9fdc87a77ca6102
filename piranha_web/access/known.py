"""All that the database has of an account, read in one query: every page asks for it."""

from __future__ import annotations

from enum import IntEnum

from django.db.models import Case, F, IntegerField, Model, Q, QuerySet, Value, When
from django.db.models.expressions import Combinable
from django_otp.plugins.otp_totp.models import TOTPDevice

from lvs import models

Known = tuple[int, int, int, int]


class Kind(IntEnum):
    """What a row of `known_of` is about, and what its three numbers are."""

    ACCOUNT = 1  # its role, whether it has to change its password, whether it must have a second factor
    CLUSTER = 2  # the cluster's pk, the role there, 0
    RULE = 3  # the role from which on a second factor is needed, 0, 0; without an account as well
    FACTOR = 4  # 0, 0, 0: it has a second factor


def known_of(name: str) -> QuerySet[Model, Known]:
    """The rows about an account. One that has no row of its own may have those of the other kinds."""
    accounts = rows(
        models.Account.objects.filter(name=name),
        Kind.ACCOUNT,
        F("role"),
        as_number("must_change"),
        as_number("needs_factor"),
    )
    clusters = rows(
        models.ClusterRole.objects.filter(account__name=name), Kind.CLUSTER, F("cluster_id"), F("role")
    )
    rules = rows(models.FactorRule.objects.all(), Kind.RULE, F("least_role"))
    factors = rows(TOTPDevice.objects.filter(user__username=name, confirmed=True), Kind.FACTOR)
    return accounts.union(clusters, rules, factors)


def rows(
    found: QuerySet[Model],
    kind: Kind,
    first: Combinable | None = None,
    second: Combinable | None = None,
    third: Combinable | None = None,
) -> QuerySet[Model, Known]:
    """These rows as four numbers each, so that they can stand in one answer with those of other tables."""
    numbers = (Value(kind), first or Value(0), second or Value(0), third or Value(0))
    named = {f"known_{place}": number for place, number in enumerate(numbers)}
    told: QuerySet[Model, Known] = found.order_by().annotate(**named).values_list(*named)
    return told


def as_number(field: str) -> Combinable:
    """A yes or no of a row as 1 or 0."""
    return Case(When(Q(**{field: True}), then=1), default=0, output_field=IntegerField())
