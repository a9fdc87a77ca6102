"""The guest kernel itself has what the other tests stand on."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest


@pytest.mark.kernel
def test_the_guest_takes_an_ipvs_service():
    subprocess.run(["modprobe", "ip_vs"], check=True)
    table = subprocess.run(["unshare", "--net", "ipvsadm", "-Ln"], capture_output=True, text=True, check=True)
    assert "IP Virtual Server" in table.stdout


@pytest.mark.kernel
def test_the_guest_cannot_write_to_the_hosts_files():
    with pytest.raises(OSError, match="Read-only file system"):
        Path(__file__).with_suffix(".written").touch()


@pytest.mark.kernel
def test_the_guest_can_write_to_the_exchange_folder():
    file = Path(os.environ["PIRANHA_EXCHANGE"]) / "written"
    file.write_text("by the guest", encoding="utf-8")
    assert file.read_text(encoding="utf-8") == "by the guest"


@pytest.mark.kernel
@pytest.mark.nft
def test_the_guest_takes_an_nftables_table_of_the_family_inet():
    subprocess.run(["unshare", "--net", "nft", "add", "table", "inet", "piranha"], check=True)
