"""The JSON document: its keys, types and defaults, and what is said about a malformed one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lvs.config.document import from_document, to_document
from lvs.config.keywords import GLOBAL, SERVER, VIRTUAL
from lvs.config.model import LvsConfig, RealServer, VirtualServer
from lvs.config.reader import read
from lvs.errors import ParseError

SAMPLES = Path(__file__).parent / "samples"


def document(name="extensions.cf"):
    return to_document(read((SAMPLES / name).read_text()).config)


def test_every_directive_is_a_key_and_every_default_is_filled_in():
    config = LvsConfig(virtual_servers=(VirtualServer(name="web", real_servers=(RealServer(name="a"),)),))
    whole = to_document(config)
    (web,) = whole["virtual"]
    (server,) = web["server"]
    for block, table in ((whole, GLOBAL), (web, VIRTUAL), (server, SERVER)):
        assert {keyword.name for keyword in table} <= block.keys()
    assert (whole["network"], whole["heartbeat_port"], whole["primary"]) == ("nat", 539, None)
    assert (web["name"], web["port"], web["scheduler"], web["use_regex"]) == ("web", 80, "wlc", False)
    assert (server["name"], server["weight"], server["active"], server["port"]) == ("a", 1, False, None)
    assert whole["failover"] == []


def test_values_are_typed():
    whole = document()
    web, signalling, ntp = whole["virtual"]
    assert (whole["backup_active"], whole["keepalive"]) == (True, 0.5)
    assert (whole["nat_router6"], whole["nat_router6_device"]) == ("fd00::fe", "eth1")
    assert (web["address"], web["device"], web["vip_nmask"]) == ("2001:db8::80", "eth0", 64)
    assert (web["ports"], web["sched_flags"]) == (["80", "10000:20000"], ["sh-port", "sh-fallback"])
    assert (signalling["protocol"], signalling["network"]) == ("sctp", "direct")
    assert ntp["one_packet"] is True
    assert document("piranha-everything.cf")["virtual"][0]["pmask"] == "255.255.255.0"


def test_comments_are_under_their_directive():
    assert document("piranha-everything.cf")["comments"]["primary"] == ["# the pair"]


def test_a_missing_key_has_its_default():
    assert from_document({"virtual": [{"name": "web"}]}) == LvsConfig(
        virtual_servers=(VirtualServer(name="web"),)
    )


@pytest.mark.parametrize("name", ["piranha-everything.cf", "extensions.cf", "harmless-oddities.cf"])
def test_a_samples_document_reads_back_the_same(name):
    config = read((SAMPLES / name).read_bytes().decode()).config
    assert from_document(json.loads(json.dumps(to_document(config)))) == config


MALFORMED = [
    ("a list instead of an object", [], "an object with directives as keys"),
    ("an unknown key", {"primry": "10.0.0.1"}, "did you mean primary?"),
    ("a key of another block", {"weight": 1}, "belongs in a server block"),
    ("a number as address", {"primary": 5}, "text is expected"),
    ("a host name", {"primary": "router1"}, "host names are not looked up"),
    ("text as number", {"tcp_timeout": "5"}, "a whole number is expected"),
    ("true as number", {"tcp_timeout": True}, "a whole number is expected"),
    ("a fraction as number", {"tcp_timeout": 1.5}, "a whole number is expected"),
    ("a number as flag", {"backup_active": 1}, "true or false is expected"),
    ("null for what has a default", {"keepalive": None}, "cannot be null"),
    ("an address without its device", {"nat_router": "10.0.0.1"}, "give nat_router and nat_router_device"),
    ("a device without its address", {"nat_router_device": "eth1"}, "give nat_router and nat_router_device"),
    ("a mask as bare IPv4 prefix", {"nat_nmask": 24}, "a netmask such as 255.255.255.0 is expected"),
    ("virtual servers that are no list", {"virtual": {}}, "a list of at most"),
    ("a virtual server that is no object", {"virtual": [5]}, "an object with directives as keys"),
    ("a virtual server without a name", {"virtual": [{}]}, "has no name"),
    ("a name that is no text", {"virtual": [{"name": 5}]}, "has no name"),
    ("a real server without a name", {"virtual": [{"name": "a", "server": [{}]}]}, "has no name"),
    ("an unknown scheduler", {"virtual": [{"name": "a", "scheduler": "pcc"}]}, "rr, wrr"),
    ("a number in a list of ports", {"virtual": [{"name": "a", "ports": [80]}]}, "text is expected"),
    ("text instead of a list", {"virtual": [{"name": "a", "dirs": "x"}]}, "a list is expected"),
    ("a comment that is none", {"comments": {"primary": ["x = y"]}}, "begin with #"),
    ("a comment over two lines", {"comments": {"primary": ["# x\ny"]}}, "begin with #"),
    ("a comment on an unknown directive", {"comments": {"x": ["#"]}}, "begin with #"),
    ("comments that are no object", {"comments": ["#"]}, "an object with directives as keys"),
]


@pytest.mark.parametrize(
    ("given", "words"), [row[1:] for row in MALFORMED], ids=[row[0] for row in MALFORMED]
)
def test_malformed_document_is_refused_with_a_remedy(given, words):
    with pytest.raises(ParseError) as caught:
        from_document(given)
    assert words in str(caught.value)


def test_everything_malformed_is_said_at_once_with_its_place():
    with pytest.raises(ParseError) as caught:
        from_document(
            {
                "keepalive": "x",
                "virtual": [{"name": "web", "port": "x", "server": [{"name": "a", "weight": "x"}]}],
            }
        )
    assert [(problem.place, problem.field) for problem in caught.value.problems] == [
        ((), "keepalive"),
        (("virtual", "web"), "port"),
        (("virtual", "web", "server", "a"), "weight"),
    ]
