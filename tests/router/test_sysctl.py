from __future__ import annotations

import pytest

from lvs.errors import KernelError
from lvs.router import sysctl
from tests.router.conftest import Namespace

pytestmark = pytest.mark.root


def test_a_parameter_that_was_set_is_read_back(router: Namespace) -> None:
    for value in ("1", "0"):
        router.call(sysctl.write, "net/ipv4/ip_forward", value)
        assert router.call(sysctl.read, ["net/ipv4/ip_forward"]) == {"net/ipv4/ip_forward": value}


def test_only_the_callers_namespace_is_changed(router: Namespace) -> None:
    before = sysctl.read(["net/ipv4/conf/lo/arp_ignore"])
    router.call(sysctl.write, "net/ipv4/conf/lo/arp_ignore", "8")
    assert router.call(sysctl.read, before) == {"net/ipv4/conf/lo/arp_ignore": "8"}
    assert sysctl.read(before) == before


def test_several_values_are_separated_by_one_space_both_ways(router: Namespace) -> None:
    path = "net/ipv4/ip_local_port_range"
    router.call(sysctl.write, path, "20000 40000")
    assert router.call(sysctl.read, [path]) == {path: "20000 40000"}


def test_an_interface_with_a_dot_in_its_name_is_one_part_of_the_path(router: Namespace) -> None:
    router.run("ip", "link", "set", "eth1", "down", "name", "eth0.5")
    path = "net/ipv4/conf/eth0.5/arp_announce"
    router.call(sysctl.write, path, "2")
    assert router.call(sysctl.read, [path]) == {path: "2"}


def test_a_value_that_the_kernel_refuses_is_said_with_its_reason(router: Namespace) -> None:
    with pytest.raises(KernelError, match="the kernel refused the value") as refused:
        router.call(sysctl.write, "net/ipv4/ip_forward", "perhaps")
    assert refused.value.change == "set net/ipv4/ip_forward to perhaps"
