"""MONITORING SCRIPTS: how nanny finds out whether a real server answers.

The kind of check comes first, and each kind has its own fields. A page with JavaScript shows those of the
chosen kind only; without, the others are folded. What belongs to another kind than the chosen one is not
saved, so that nothing works unseen. What is expected stands in one field for each meaning that it has: the
whole answer, a body, a record.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django import forms

from lvs.config.model import (
    CheckKind,
    DnsType,
    HealthCheck,
    HttpMethod,
    LvsConfig,
    Problem,
    VirtualServer,
)
from piranha_web.forms.fields import StatusesField, TextOrNothing, WholeField
from piranha_web.forms.layout import Group, Kinds, Row, column, helper, unit
from piranha_web.forms.panel import PanelForm
from piranha_web.forms.virtual_servers import with_virtual_server

CLEARING = {"send_program": "No send program", "send": "Blank send", "expect": "Blank expect"}
KINDS = [
    (CheckKind.AUTO.value, "Send and expect, or a program, as Piranha had it"),
    (CheckKind.CONNECT.value, "Connect: the port takes a connection"),
    (CheckKind.HTTP.value, "HTTP: a request, its status and its body"),
    (CheckKind.HTTPS.value, "HTTPS: the same with TLS, and the certificate"),
    (CheckKind.SMTP.value, "SMTP: the greeting and EHLO of a mail server"),
    (CheckKind.DNS.value, "DNS: a question and its answer"),
    (CheckKind.PING.value, "Ping: the machine answers, whatever serves there"),
    (CheckKind.NONE.value, "None: never checked, always in"),
]
HTTP = (CheckKind.HTTP, CheckKind.HTTPS)
# The attributes of HealthCheck that each kind uses, besides `check_port`.
USED: dict[CheckKind, tuple[str, ...]] = {
    CheckKind.AUTO: ("send_program", "send", "expect", "use_regex"),
    CheckKind.HTTP: ("http_method", "http_path", "http_host", "http_status", "expect", "use_regex"),
    CheckKind.DNS: ("dns_name", "dns_type", "expect", "use_regex"),
}
USED[CheckKind.HTTPS] = (*USED[CheckKind.HTTP], "tls_verify", "tls_name", "tls_expiry")
PORTLESS = (CheckKind.PING, CheckKind.NONE)
# Where the form shows `expect` and `use_regex` of a kind.
EXPECTED = {
    CheckKind.HTTP: {"expect": "body", "use_regex": "body_regex"},
    CheckKind.HTTPS: {"expect": "body", "use_regex": "body_regex"},
    CheckKind.DNS: {"expect": "record", "use_regex": "record_regex"},
}
DEFAULT = HealthCheck()
BLANK = {name: getattr(DEFAULT, name) for name in ("http_method", "http_status", "tls_expiry", "dns_type")}
CHOICES = {"http_method": HttpMethod, "dns_type": DnsType}
REGEX = "Treat it as a regular expression"
REGEX_HELP = "Else the text is found as it is written, capitals included."


class MonitoringForm(PanelForm):
    """The check of the real servers of `owner`. An empty field is "not set"."""

    kind = forms.ChoiceField(
        label="What is checked",
        choices=KINDS,
        widget=forms.RadioSelect,
        help_text="One check of a real server is shared by all virtual servers that want the same.",
    )
    check_port = WholeField(
        required=False,
        min_value=1,
        max_value=65535,
        label="Port of the check",
        help_text="Blank: the port that the real server gets its requests on.",
    )
    send_program = TextOrNothing(
        label="Sending program",
        help_text="Run in place of Send: a program of the folder checks beside lvs.cf, with its arguments; "
        "%h is the real server's address, %p the port. Exit status 0 is good; with Expect its output must "
        "be that, too.",
    )
    send = TextOrNothing(
        label="Send",
        help_text=r"What is sent once connected; \n, \r, \t and \\ are translated. Empty, with an empty "
        r"Expect: connecting is enough (on port 80: GET / and HTTP). At most 255 bytes.",
    )
    expect = TextOrNothing(
        label="Expect",
        help_text="What the answer must begin with; * for any answer at all; empty: no answer is waited for.",
    )
    use_regex = forms.BooleanField(
        required=False,
        label="Treat expect string as a regular expression",
        help_text="Found anywhere in the answer, up to 64 KiB.",
    )
    http_method = forms.ChoiceField(
        required=False,
        label="Method",
        choices=[(one.value, one.value) for one in HttpMethod],
        help_text="HEAD asks for no body, which costs less; there is no text in it to look for then.",
    )
    http_path = TextOrNothing(label="Path", help_text="With its query, if it needs one; blank: /")
    http_host = TextOrNothing(label="Host", help_text="The site's name; blank: the real server's address.")
    http_status = StatusesField(
        label="Good status codes",
        help_text="Codes and ranges: 200:299, 301. Blank: 200:399. Redirects are not followed.",
    )
    body = TextOrNothing(
        label="Text in the body", help_text="Found anywhere in its first 64 KiB; blank: any."
    )
    body_regex = forms.BooleanField(required=False, label=REGEX, help_text=REGEX_HELP)
    tls_verify = forms.BooleanField(
        required=False,
        label="Verify the certificate",
        help_text="Its chain, by the router's own authorities, and its name; an ended one is bad then.",
    )
    tls_name = TextOrNothing(
        label="Name in the certificate", help_text="Asked for with SNI; blank: Host, if that is a name."
    )
    tls_expiry = WholeField(
        required=False,
        min_value=0,
        max_value=3650,
        label="Warn before the certificate ends",
        help_text="Shown beside the real server; 0: no warning.",
    )
    dns_name = TextOrNothing(label="Name", help_text="What is asked for; blank: the root.")
    dns_type = forms.ChoiceField(
        required=False,
        label="Record type",
        choices=[(one.value, one.value) for one in DnsType],
        help_text="A for IPv4 addresses, AAAA for IPv6, SOA for whether a zone is served at all.",
    )
    record = TextOrNothing(
        label="Text in a record",
        help_text="Of the answer, such as an address; blank: any answer without error.",
    )
    record_regex = forms.BooleanField(required=False, label=REGEX, help_text=REGEX_HELP)

    helper = helper(
        Group("Check", "kind"),
        Kinds(
            "Port",
            [one for one in CheckKind if one not in PORTLESS],
            Row(column("check_port"), column(), column()),
        ),
        Kinds(
            "Send and expect, or a program",
            [CheckKind.AUTO],
            "send_program",
            "send",
            "expect",
            "use_regex",
        ),
        Kinds(
            "HTTP and HTTPS",
            HTTP,
            Row(column("http_method"), column("http_path"), column("http_host")),
            Row(column("http_status"), column("body"), column("body_regex")),
        ),
        Kinds(
            "HTTPS: the certificate",
            [CheckKind.HTTPS],
            Row(column("tls_verify"), column("tls_name"), column(unit("tls_expiry", "days"))),
        ),
        Kinds(
            "DNS",
            [CheckKind.DNS],
            Row(column("dns_name"), column("dns_type")),
            Row(column("record"), column("record_regex")),
        ),
    )

    def __init__(self, data: Any, *, config: LvsConfig, owner: VirtualServer) -> None:
        super().__init__(data, config=config, value=owner.check)
        self.owner = owner

    def initial_of(self, value: Any) -> dict[str, Any]:
        initial = super().initial_of(value) | {"kind": value.kind.value}
        names = EXPECTED.get(value.kind)
        if names is not None:
            initial |= {shown: getattr(value, name) for name, shown in names.items()}
            initial |= {"expect": None, "use_regex": False}
        return initial

    def value_of(self, cleaned: dict[str, Any]) -> HealthCheck:
        kind = CheckKind(cleaned["kind"])
        names = EXPECTED.get(kind, {})
        values = {name: cleaned[names.get(name, name)] for name in USED.get(kind, ())}
        # A field of another kind than the page showed last may be missing: the directive's default holds.
        for name, blank in BLANK.items():
            if name in values:
                values[name] = values[name] if values[name] not in (None, "") else blank
        values |= {name: meant(values[name]) for name, meant in CHOICES.items() if name in values}
        if names and values["expect"] is None:
            values["use_regex"] = False  # of a text that is blank it says nothing
        port = None if kind in PORTLESS else cleaned["check_port"]
        return HealthCheck(kind=kind, check_port=port, **values)

    def place(self) -> tuple[str, ...]:
        return ("virtual", self.owner.name)

    def field_of(self, problem: Problem) -> str | None:
        """Where an error of `expect` stands depends on the kind."""
        name = {"check": "kind"}.get(problem.field or "", problem.field)
        shown = EXPECTED.get(self.value.kind, {}).get(name or "", name)
        return shown if shown in self.fields else None

    def config_with(self, value: Any) -> LvsConfig:
        return with_virtual_server(self.config, self.owner, replace(self.owner, check=value))
