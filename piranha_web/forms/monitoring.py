"""MONITORING SCRIPTS: how nanny finds out whether a real server answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django import forms

from lvs.config.model import HealthCheck, LvsConfig, VirtualServer
from piranha_web.forms.fields import TextOrNothing
from piranha_web.forms.layout import Group, helper
from piranha_web.forms.panel import PanelForm
from piranha_web.forms.virtual_servers import with_virtual_server

CLEARING = {"send_program": "No send program", "send": "Blank send", "expect": "Blank expect"}


class MonitoringForm(PanelForm):
    """The check of the real servers of `owner`. An empty field is "not set"."""

    send_program = TextOrNothing(
        label="Sending program",
        help_text="Whole path and arguments of a program run in place of Send; %h is the real server's "
        "address, "
        "%p its port. Its output is compared with Expect.",
    )
    send = TextOrNothing(
        label="Send",
        help_text=r"What is sent once connected; \n, \r, \t and \\ are translated. Empty, with an empty "
        r"Expect: "
        "connecting is enough (on port 80: GET / and HTTP).",
    )
    expect = TextOrNothing(
        label="Expect",
        help_text="What the answer must begin with; * for any answer at all; empty: no answer is waited for.",
    )
    use_regex = forms.BooleanField(
        required=False,
        label="Treat expect string as a regular expression",
        help_text="Found anywhere in the answer; has no effect with a sending program.",
    )

    helper = helper(Group("Check", "send_program", "send", "expect", "use_regex"))

    def __init__(self, data: Any, *, config: LvsConfig, owner: VirtualServer) -> None:
        super().__init__(data, config=config, value=owner.check)
        self.owner = owner

    def value_of(self, cleaned: dict[str, Any]) -> HealthCheck:
        return HealthCheck(**{name: cleaned[name] for name in cleaned if name != "seen"})

    def place(self) -> tuple[str, ...]:
        return ("virtual", self.owner.name)

    def config_with(self, value: Any) -> LvsConfig:
        return with_virtual_server(self.config, self.owner, replace(self.owner, check=value))
