"""The canonical text: order, indentation, quotes, and what is left out."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from lvs.config.keywords import KEYWORDS
from lvs.config.model import (
    FloatingAddress,
    GlobalSettings,
    HealthCheck,
    LvsConfig,
    RealServer,
    Redundancy,
    VirtualServer,
)
from lvs.config.reader import read
from lvs.config.writer import write

SAMPLES = Path(__file__).parent / "samples"
READABLE = ["piranha-everything.cf", "extensions.cf", "harmless-oddities.cf"]


def virtual(**changes):
    return LvsConfig(virtual_servers=(VirtualServer(name="web", **changes),))


def test_the_layout_is_that_of_the_old_gui():
    config = LvsConfig(
        global_settings=GlobalSettings(serial_no=7, primary=IPv4Address("10.0.0.1")),
        virtual_servers=(
            VirtualServer(
                name="web",
                active=True,
                address=FloatingAddress(address=IPv4Address("192.0.2.1"), device="eth0:1"),
                address_mask=32,
                check=HealthCheck(send=r"GET / HTTP/1.0\r\n\r\n", expect="HTTP"),
                real_servers=(RealServer(name="a", address=IPv4Address("10.0.0.2"), active=True, weight=5),),
            ),
        ),
    )
    assert write(config) == "\n".join(
        [
            "serial_no = 7",
            "primary = 10.0.0.1",
            "service = lvs",
            "backup_active = 0",
            "heartbeat = 1",
            "heartbeat_port = 539",
            "keepalive = 2",
            "deadtime = 5",
            "network = nat",
            "monitor_links = 0",
            "syncdaemon = 0",
            "",
            "virtual web {",
            "     active = 1",
            "     address = 192.0.2.1 eth0:1",
            "     vip_nmask = 255.255.255.255",
            "     port = 80",
            r'     send = "GET / HTTP/1.0\r\n\r\n"',
            '     expect = "HTTP"',
            "     load_monitor = none",
            "     scheduler = wlc",
            "     protocol = tcp",
            "     timeout = 10",
            "     reentry = 180",
            "     quiesce_server = 0",
            "     server a {",
            "         address = 10.0.0.2",
            "         active = 1",
            "         weight = 5",
            "     }",
            "}",
            "",
        ]
    )


@pytest.mark.parametrize("name", READABLE)
def test_a_sample_is_written_stably_and_reads_back_the_same(name):
    config = read((SAMPLES / name).read_bytes().decode()).config
    text = write(config)
    assert read(text).config == config
    assert write(read(text).config) == text


@pytest.mark.parametrize("name", READABLE)
def test_what_is_written_gives_no_warning_of_form_when_it_is_read(name):
    text = write(read((SAMPLES / name).read_bytes().decode()).config)
    assert [p.message for p in read(text).problems if "has no effect" not in p.message] == []


def test_every_comment_of_a_sample_is_kept():
    text = (SAMPLES / "piranha-everything.cf").read_text()
    comments = re.findall(r"^\s*(#.*?)\s*$", text, re.MULTILINE)
    assert sorted(re.findall(r"^\s*(#.*)$", write(read(text).config), re.MULTILINE)) == sorted(comments)


def test_what_piranha_knew_is_written_in_piranhas_words_only():
    text = write(read((SAMPLES / "piranha-everything.cf").read_text()).config)
    new = {name for table in KEYWORDS.values() for name, keyword in table.items() if not keyword.piranha}
    for line in text.splitlines():
        words = line.split()
        if words and words[0][0] != "#" and words[-1] not in ("{", "}"):
            assert words[1] == "=", line
            assert words[0] not in new - {"network"}, line
    assert not re.search(r"^ +network", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("plain", '"plain"'),
        ('say "hi"', "'say \"hi\"'"),
        ("it's", '"it\'s"'),
        (r"back\slash %h <&>", r'"back\slash %h <&>"'),
        ("x" * 255, f'"{"x" * 255}"'),
    ],
)
def test_strings_stay_byte_for_byte_in_the_quotes_that_they_do_not_contain(text, written):
    config = virtual(check=HealthCheck(send=text))
    assert f"     send = {written}\n" in write(config)
    assert read(write(config)).config == config


def test_a_word_with_blanks_is_quoted_and_one_without_is_not():
    text = write(LvsConfig(global_settings=GlobalSettings(rsh_command="ssh -q", ipvsadm="/sbin/ipvsadm")))
    assert 'rsh_command = "ssh -q"\n' in text
    assert "ipvsadm = /sbin/ipvsadm\n" in text


@pytest.mark.parametrize(("value", "written"), [(2, "2"), (2.0, "2"), (0.5, "0.5"), (0.001, "0.001")])
def test_seconds_are_whole_when_they_can_be(value, written):
    assert f"keepalive = {written}\n" in write(LvsConfig(redundancy=Redundancy(keepalive=value)))


def test_a_name_with_blanks_is_quoted():
    assert 'virtual "my web" {' in write(LvsConfig(virtual_servers=(VirtualServer(name="my web"),)))


def test_a_comment_whose_directive_is_not_set_any_more_moves_to_the_next():
    config = read(
        "primary = 10.0.0.1\n# old gateway\nnat_router = 10.0.0.2 eth1:1\nmonitor_links = 0\n"
    ).config
    text = write(replace(config, global_settings=replace(config.global_settings, nat_router=None)))
    assert "# old gateway\nmonitor_links = 0\n" in text


def test_a_files_head_stays_at_its_head():
    text = write(read("# ours\n#\n# since 2003\n\n# the first\nprimary = 10.0.0.1\n").config)
    assert text.startswith("# ours\n#\n# since 2003\n\nserial_no = 0\n# the first\nprimary = 10.0.0.1\n")
