"""Which fields of the panels' forms lead to which place in the help. Knows no form."""

from __future__ import annotations

from collections.abc import Mapping

from django import forms
from django.urls import reverse
from django.utils.html import format_html

# By the field's name, in all panels: the help page, and the place on it.
PLACES: Mapping[str, str] = {
    "forwarding": "forwarding",
    "nat_router": "forwarding#nat",
    "primary_private": "failover#two-links",
    "tcp_timeout": "kernel#timeouts",
    "deadtime": "failover#times",
    "monitor_links": "failover#who",
    "check_gateway": "failover#who",
    "failback": "failover#back",
    "syncdaemon": "failover#connections",
    "scheduler": "schedulers",
    "scheduler_flags": "schedulers#hash-options",
    "one_packet": "schedulers#one-packet",
    "persistence": "persistence",
    "fwmark": "marks",
    "ports": "marks",
    "timeout": "checks#times",
    "reentry": "checks#times",
    "quiesce": "checks#quiesce",
    "sorry_server": "checks#sorry",
    "protection": "checks#protection",
    "slow_start": "weights#slow-start",
    "load_monitor": "weights#load",
    "drain_time": "hand#deleted",
    "weight": "weights",
    "upper_threshold": "weights#thresholds",
    "kind": "checks#kinds",
    "send": "checks#send-expect",
    "send_program": "checks#programs",
    "http_status": "checks#http",
    "tls_verify": "checks#http",
    "dns_name": "checks#kinds",
}


def address_of(place: str) -> str:
    """The address of a place in the help, such as "checks#times"."""
    name, sign, anchor = place.partition("#")
    return f"{reverse('help-topic', args=[name])}{sign}{anchor}"


def with_help(fields: Mapping[str, forms.Field]) -> None:
    """Puts the way to the help behind the help texts of those fields that have a place there."""
    for name, field in fields.items():
        if name in PLACES and field.help_text:
            field.help_text = format_html(
                '{} <a href="{}" target="_blank" rel="noopener">More'
                '<span class="visually-hidden"> about {} (in a new tab)</span></a>',
                field.help_text,
                address_of(PLACES[name]),
                field.label or name,
            )
