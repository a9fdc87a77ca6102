"""The end of `make run`."""

from __future__ import annotations

import urllib.request

import pytest

from tests.browser.conftest import Tool
from tests.conftest import eventually

pytestmark = pytest.mark.browser


def test_ctrl_c_ends_all_of_it(tool: Tool) -> None:
    assert tool.stop() == 0
    assert "nothing is left running" in tool.text

    def is_gone() -> bool:
        try:
            urllib.request.urlopen(tool.url, timeout=1)
        except OSError:
            return True
        return False

    eventually(is_gone, "the port is free")
