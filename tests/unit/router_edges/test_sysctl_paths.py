from __future__ import annotations

import pytest

from lvs.errors import KernelError
from lvs.router import sysctl


@pytest.mark.parametrize(
    "path",
    ["", "/etc/passwd", "../../etc/passwd", "net/../kernel/panic", "net//ipv4", "net/ipv4/", "./net", "a\0b"],
)
def test_a_path_that_leaves_proc_sys_is_refused(path: str) -> None:
    for attempt in (lambda: sysctl.read([path]), lambda: sysctl.write(path, "1")):
        with pytest.raises(KernelError, match="name it as a path below /proc/sys"):
            attempt()


@pytest.mark.parametrize("value", ["", "1\n2", "\0"])
def test_a_value_that_is_not_one_line_is_refused(value: str) -> None:
    with pytest.raises(KernelError, match="give one line"):
        sysctl.write("net/ipv4/no_such_parameter", value)


@pytest.mark.parametrize(
    ("path", "remedy"),
    [
        ("net/ipv4/vs/no_such_parameter", "modprobe ip_vs"),
        ("net/netfilter/nf_conntrack_no_such_parameter", "modprobe nf_conntrack"),
        ("net/ipv4/no_such_parameter", "check the name"),
    ],
)
def test_a_missing_parameter_is_said_with_the_module_that_brings_it(path: str, remedy: str) -> None:
    with pytest.raises(KernelError, match=remedy) as on_read:
        sysctl.read([path])
    assert on_read.value.change == f"read {path}"
    with pytest.raises(KernelError, match=remedy) as on_write:
        sysctl.write(path, "1")
    assert on_write.value.change == f"set {path} to 1"


def test_a_folder_of_parameters_is_no_parameter() -> None:
    with pytest.raises(KernelError, match="name one of those in it"):
        sysctl.read(["net/ipv4"])


def test_what_every_kernel_has_is_read() -> None:
    assert sysctl.read(["kernel/ostype"]) == {"kernel/ostype": "Linux"}
