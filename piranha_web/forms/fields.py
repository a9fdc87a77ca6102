"""Form fields for the values of lvs.cf. What they accept and say comes from lvs.config's own kinds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Network
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import BaseValidator

from lvs.config.addresses import Mask, device_faults, parse_address
from lvs.config.model import ANY_SUCCESS, Address, PortRange, StatusRange
from lvs.config.text import BadValue
from lvs.config.values import Context, Ports, Statuses

# What a phone's keyboard must not improve.
TECHNICAL = {"autocapitalize": "off", "autocomplete": "off", "spellcheck": "false"}
MASKS = [(f"/{bits}", str(IPv4Network(f"0.0.0.0/{bits}").netmask)) for bits in range(32, 15, -1)]


def refused(error: BadValue) -> ValidationError:
    """The sentence of a kind as a form shows it."""
    text = str(error)
    return ValidationError(text[:1].upper() + text[1:] + ".")


class SuggestingInput(forms.TextInput):
    """A line of text that offers values without insisting on them."""

    template_name = "forms/suggesting_input.html"

    def __init__(self, suggestions: Sequence[tuple[str, str]], attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs)
        self.suggestions = suggestions

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        list_id = f"{context['widget']['attrs'].get('id', name)}_list"
        context["widget"]["attrs"]["list"] = list_id
        return {**context, "list_id": list_id, "suggestions": self.suggestions}


class WordsField(forms.Field):
    """A line of text that stands for another value; never required."""

    widget = forms.TextInput

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, **kwargs)
        self.widget.attrs |= TECHNICAL


class WholeField(forms.IntegerField):
    """A whole number; what is wrong with one says what may be written."""

    def __init__(self, *, min_value: int | None = None, max_value: int | None = None, **kwargs: Any) -> None:
        messages = {
            "required": "This cannot be blank: write a whole number.",
            "invalid": "Write a whole number, in digits alone.",
        }
        super().__init__(min_value=min_value, max_value=max_value, **{"error_messages": messages, **kwargs})
        if min_value is not None:
            allowed = f"{min_value} or more" if max_value is None else f"{min_value} to {max_value}"
            for validator in self.validators:
                if isinstance(validator, BaseValidator):
                    validator.message = f"%(show_value)s is out of range: write {allowed}."


class SecondsField(forms.FloatField):
    """A length of time in seconds, with decimals."""

    def __init__(self, **kwargs: Any) -> None:
        messages = {
            "required": "This cannot be blank: write seconds, such as 6 or 0.5.",
            "invalid": "Write seconds, such as 6 or 0.5.",
        }
        super().__init__(**{"error_messages": messages, **kwargs})


class NameField(forms.CharField):
    """What an administrator calls something."""

    def __init__(self, **kwargs: Any) -> None:
        messages = {"required": "It needs a name: write one of your own."}
        super().__init__(**{"max_length": 100, "error_messages": messages, **kwargs})


class AddressField(WordsField):
    """An IPv4 or IPv6 address; blank, 0.0.0.0 and :: are None."""

    def prepare_value(self, value: Any) -> Any:
        return "" if value is None or str(value) in ("0.0.0.0", "::") else str(value)  # noqa: S104 - compared, not bound to

    def to_python(self, value: Any) -> Address | None:
        text = str(value or "").strip()
        if not text:
            return None
        try:
            address = parse_address(text)
        except BadValue as error:
            raise refused(error) from error
        return None if address.is_unspecified else address


class DeviceField(forms.CharField):
    """A network interface, or a label on one."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"required": False, **kwargs})
        self.widget.attrs |= TECHNICAL

    def validate(self, value: str) -> None:
        super().validate(value)
        for fault in device_faults(value) if value else ():
            raise ValidationError(f"It {fault}.")


class MaskField(WordsField):
    """A netmask as /24, 24 or 255.255.255.0; its value is the prefix length, None for none."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(widget=SuggestingInput(MASKS), **kwargs)

    def prepare_value(self, value: Any) -> Any:
        return f"/{value}" if isinstance(value, int) else value

    def to_python(self, value: Any) -> int | None:
        text = str(value or "").strip()
        if not text:
            return None
        family = 4 if "." in text else 6
        try:
            return Mask().parse([text], Context(family=family))
        except BadValue as error:
            raise refused(error) from error


class PortsField(WordsField):
    """Ports and ranges of ports, of another protocol with its name in front: 443, udp/443, 10000-20000."""

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(map(str, value)) if isinstance(value, tuple) else value

    def to_python(self, value: Any) -> tuple[PortRange, ...]:
        text = str(value or "").strip()
        text = re.sub(r"\s*([-:/])\s*", r"\1", text.lower())
        words = [
            re.sub(r"(^|/)(\d+)-(\d+)$", r"\1\2:\3", word) for word in re.split(r"[\s,;]+", text) if word
        ]
        if not words:
            return ()
        try:
            return Ports().parse([",".join(words)], Context())
        except BadValue as error:
            raise refused(error) from error


class StatusesField(WordsField):
    """HTTP status codes and ranges of them: 200:299, 301; blank: any success."""

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(map(str, value)) if isinstance(value, tuple) else value

    def to_python(self, value: Any) -> tuple[StatusRange, ...]:
        text = str(value or "").strip()
        words = [re.sub(r"^(\d+)-(\d+)$", r"\1:\2", word) for word in re.split(r"[\s,]+", text) if word]
        if not words:
            return ANY_SUCCESS
        try:
            return Statuses().parse([",".join(words)], Context())
        except BadValue as error:
            raise refused(error) from error


class TextOrNothing(forms.CharField):
    """Text kept as it was typed, blanks included; an empty field is None: it really clears."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"required": False, "strip": False, "empty_value": None, **kwargs})
        self.widget.attrs |= TECHNICAL
