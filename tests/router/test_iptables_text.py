"""The words of iptables-save, given to this machine's iptables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lvs.router.netfilter import iptables
from tests.router.conftest import Namespace
from tests.router.test_netfilter import SHOP
from tests.unit.router_edges.test_iptables_text import ALL, WEB

pytestmark = pytest.mark.root


@pytest.mark.parametrize("value", [ALL, replace(SHOP, guard=ALL.guard)])
def test_iptables_takes_it_and_prints_as_many_rules_again(
    router: Namespace, tmp_path: Path, value: object
) -> None:
    four, six = iptables.text(value, {WEB: "shop"}).split("# IPv6")
    for program, text in (("iptables", four), ("ip6tables", f"# {six}")):
        written = tmp_path / program
        written.write_text(text)
        router.run(f"{program}-nft-restore", str(written))
        saved = router.run(f"{program}-nft-save")
        assert saved.count("\n-A ") == text.count("\n-A ")
        assert ("--comment shop" in saved) is ('"shop"' in text)
