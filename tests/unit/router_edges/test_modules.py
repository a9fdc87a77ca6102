"""Kernel modules as the machine's files show them, and modprobe's ways to fail."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lvs.errors import KernelError
from lvs.router import modules

NAME = "ip_vs_ftp"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files of a machine, with a modprobe that loads."""
    monkeypatch.setattr(modules, "ROOT", tmp_path)
    (tmp_path / "sys/module").mkdir(parents=True)
    write(tmp_path, "proc/sys/kernel/modules_disabled", "0\n")
    modprobe(tmp_path, f'[ "$*" = "-- {NAME}" ] && mkdir {tmp_path}/sys/module/{NAME}')
    return tmp_path


def write(machine: Path, path: str, text: str) -> Path:
    file = machine / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def modprobe(machine: Path, body: str) -> Path:
    program = write(machine, "usr/sbin/modprobe", f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    return program


def refusal(name: str = NAME) -> str:
    with pytest.raises(KernelError) as refused:
        modules.load(name)
    assert refused.value.change == f"load the kernel module {name}"
    return refused.value.reason


def test_a_module_is_there_loaded_or_built_in(machine: Path) -> None:
    assert modules.read([NAME]) == frozenset()
    (machine / "sys/module/nf_nat").mkdir()
    write(machine, "proc/modules", "ip_vs 188416 0 - Live 0x0\n")
    builtin = f"lib/modules/{os.uname().release}/modules.builtin"
    write(machine, builtin, "kernel/net/netfilter/ipvs/ip-vs-rr.ko\n")
    found = modules.read(["nf_nat", "ip_vs", "ip_vs_rr", "ip_vs_ftp"])
    assert found == {"nf_nat", "ip_vs", "ip_vs_rr"}


def test_a_module_is_loaded_by_modprobe(machine: Path) -> None:
    modules.load(NAME)
    assert modules.read([NAME]) == {NAME}


def test_a_kernel_that_is_closed_is_not_asked(machine: Path) -> None:
    write(machine, "proc/sys/kernel/modules_disabled", "1\n")
    assert "put ip_vs_ftp into a file of /etc/modules-load.d, and boot" in refusal()
    assert modules.read([NAME]) == frozenset()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            "echo 'FATAL: Module ip_vs_ftp not found in directory /lib/modules/6.1'; exit 1",
            "CONFIG_IP_VS_FTP",
        ),
        ("echo 'could not insert: Operation not permitted' >&2; exit 1", "CAP_SYS_MODULE"),
        ("echo 'Exec format error'; exit 1", "Exec format error: look at dmesg"),
        ("exit 3", "no reason given"),
        ("exit 0", "a line `install` of /etc/modprobe.d"),
        ("exec sleep 60", "did not end within"),
    ],
)
def test_what_keeps_modprobe_from_loading_is_said_with_what_to_do(
    machine: Path, monkeypatch: pytest.MonkeyPatch, body: str, said: str
) -> None:
    monkeypatch.setattr(modules, "SECONDS", 0.2 if "sleep" in body else 30.0)
    modprobe(machine, body)
    assert said in refusal()


def test_a_machine_without_modprobe_says_which_package_has_it(machine: Path) -> None:
    (machine / "usr/sbin/modprobe").unlink()
    assert "install the package kmod" in refusal()


def test_a_modprobe_that_cannot_be_run_is_said(machine: Path) -> None:
    (machine / "usr/sbin/modprobe").chmod(0o644)
    assert "cannot be run: Permission denied" in refusal()
