"""The reference parts of the help, put together from what the program itself goes by.

A panel's fields come from its form (label, help text, choices) and from the one table of directives (allowed
values, defaults), so that the help cannot say anything else than they do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms

from lvs.config.keywords import GLOBAL, SERVER, VIRTUAL, Keyword
from lvs.config.model import HealthCheck, RealServer, Redundancy, VirtualServer
from lvs.config.values import Context
from piranha_web.forms.global_settings import GlobalSettingsForm
from piranha_web.forms.monitoring import MonitoringForm
from piranha_web.forms.real_servers import RealServerForm
from piranha_web.forms.redundancy import RedundancyForm, fresh
from piranha_web.forms.virtual_servers import NEW, NEW_DEVICE, VirtualServerForm
from piranha_web.guide.effects import EFFECTS

NOT_SET = "not set"


@dataclass(frozen=True, slots=True)
class Panel:
    """A form, the owners of its directives, and what it offers for something new (None: the defaults)."""

    form: type[forms.Form]
    owners: tuple[str, ...]
    new: Any = None


# By the name of the help page.
PANELS: Mapping[str, Panel] = {
    "global-settings": Panel(GlobalSettingsForm, ("global_settings",)),
    "redundancy": Panel(RedundancyForm, ("redundancy",), fresh(Redundancy())),
    "virtual-server": Panel(VirtualServerForm, ("virtual",), NEW),
    "real-server": Panel(RealServerForm, ("server",), RealServer(name="")),
    "monitoring-scripts": Panel(MonitoringForm, ("check",), NEW.check),
}
# Fields of the monitoring script that write the same directive as another one, for another kind of check.
SAME: Mapping[str, str] = {
    "body": "expect",
    "record": "expect",
    "body_regex": "use_regex",
    "record_regex": "use_regex",
}
OFFERED: Mapping[str, str] = {"device": NEW_DEVICE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One field of a panel. default: where nobody set anything; offered: what the panel has for a new one, ""
    where that is the same."""

    name: str
    label: str
    meaning: str
    directive: str
    allowed: str
    default: str
    offered: str
    effect: str


def rows(panel: str) -> Iterator[Row]:
    """Every field of the panel with this help page, in the form's order."""
    wanted = PANELS[panel]
    for name, field in wanted.form.base_fields.items():
        if isinstance(field.widget, forms.HiddenInput):
            continue
        keyword = keyword_of(name, wanted.owners)
        default = default_of(name, keyword)
        offered = offered_of(name, keyword, wanted.new)
        yield Row(
            name=name,
            label=str(field.label),
            meaning=str(field.help_text),
            directive=keyword.name if keyword else "",
            allowed=allowed_in(name, field, keyword),
            default=default,
            offered="" if offered == default else offered,
            effect=EFFECTS[panel].get(name, ""),
        )


def keyword_of(name: str, owners: tuple[str, ...]) -> Keyword | None:
    """The directive that a field writes; None: it is the block's own name."""
    name = SAME.get(name, name)
    for keyword in (*GLOBAL, *VIRTUAL, *SERVER):
        if keyword.owner in owners and name in (keyword.attribute, keyword.device):
            return keyword
    return None


def allowed_in(name: str, field: forms.Field, keyword: Keyword | None) -> str:
    """What may be written, or chosen."""
    if isinstance(field, forms.ChoiceField):
        choices: Any = field.choices  # Django's type has every form that choices may be given in
        return "; ".join(str(label) for _value, label in choices)
    if isinstance(field, forms.BooleanField):
        return "on, off"
    if keyword is None:
        return "text of at most 100 bytes, without quotes"
    if keyword.device == name:
        return "an interface, with a label or without: eth1, eth1:1"
    return keyword.kind.says.removesuffix(" device")


def default_of(name: str, keyword: Keyword | None) -> str:
    """What holds where lvs.cf says nothing."""
    return NOT_SET if keyword is None or keyword.device == name else worded(keyword, keyword.default)


def offered_of(name: str, keyword: Keyword | None, new: Any) -> str:
    """What the panel shows for something new."""
    if name in OFFERED:
        return OFFERED[name]
    if isinstance(new, HealthCheck) and name in SAME:
        return default_of(name, keyword)
    if new is None or keyword is None or keyword.device == name:
        return default_of(name, keyword)
    if isinstance(new, VirtualServer) and keyword.owner == "check":
        return default_of(name, keyword)
    return worded(keyword, getattr(new, keyword.attribute))


def worded(keyword: Keyword, value: Any) -> str:
    """A value as somebody reads it."""
    if value in (None, ()):
        return NOT_SET
    if isinstance(value, bool):
        return "on" if value else "off"
    return keyword.kind.format(value, Context())


@dataclass(frozen=True, slots=True, kw_only=True)
class Directive:
    """One directive of lvs.cf."""

    name: str
    says: str
    default: str
    meaning: str
    is_new: bool
    ignored: str
    panel: str  # the help page of the panel that sets it; "": none does


@dataclass(frozen=True, slots=True)
class Block:
    """The directives of one place in the file."""

    anchor: str
    title: str
    directives: tuple[Directive, ...]


def blocks() -> tuple[Block, ...]:
    """Every directive, by the place where it stands."""
    return (
        Block("global", "Outside of all blocks", tuple(map(directive, GLOBAL))),
        Block("virtual", "In a virtual or failover block", tuple(map(directive, VIRTUAL))),
        Block("server", "In a server block", tuple(map(directive, SERVER))),
    )


def directive(keyword: Keyword) -> Directive:
    """A row of the table."""
    return Directive(
        name=keyword.name,
        says=keyword.kind.says,
        default=worded(keyword, keyword.default) if keyword.default not in (None, ()) else "–",
        meaning=keyword.doc[:1].upper() + keyword.doc[1:] + ".",
        is_new=not keyword.piranha,
        ignored=keyword.ignored,
        panel=panel_of(keyword),
    )


def panel_of(keyword: Keyword) -> str:
    """The help page of the panel that has a field for it."""
    for name, panel in PANELS.items():
        fields = {SAME.get(field, field) for field in panel.form.base_fields}
        if keyword.owner in panel.owners and fields & {
            keyword.attribute,
            keyword.device or keyword.attribute,
        }:
            return name
    return "redundancy" if keyword.name == "backup_active" else ""
