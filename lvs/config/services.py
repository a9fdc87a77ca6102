"""Port names that lvs.cf may use instead of numbers.

A short extract of the IANA Service Name and Transport Protocol Port Number Registry (RFC 6335): the services
that people balance. It stands here, and is not looked up in /etc/services, so that a file means the same on
every machine. A few names mean different services for TCP and UDP, hence the two tables.
"""

from __future__ import annotations

from collections.abc import Mapping

from lvs.config.model import Protocol

_BOTH: Mapping[str, int] = {
    "echo": 7,
    "discard": 9,
    "daytime": 13,
    "time": 37,
    "domain": 53,
    "http": 80,
    "www": 80,
    "kerberos": 88,
    "sunrpc": 111,
    "ntp": 123,
    "imap": 143,
    "imap2": 143,
    "snmp": 161,
    "snmptrap": 162,
    "ldap": 389,
    "https": 443,
    "rtsp": 554,
    "ldaps": 636,
    "domain-s": 853,
    "openvpn": 1194,
    "ms-sql-s": 1433,
    "l2tp": 1701,
    "radius": 1812,
    "radius-acct": 1813,
    "nfs": 2049,
    "mysql": 3306,
    "stun": 3478,
    "sip": 5060,
    "sips": 5061,
    "postgresql": 5432,
    "coap": 5683,
    "http-alt": 8080,
    "git": 9418,
}

_TCP: Mapping[str, int] = {
    "ftp-data": 20,
    "ftp": 21,
    "ssh": 22,
    "telnet": 23,
    "smtp": 25,
    "pop3": 110,
    "nntp": 119,
    "exec": 512,
    "login": 513,
    "shell": 514,
    "submissions": 465,
    "submission": 587,
    "rsync": 873,
    "ftps": 990,
    "imaps": 993,
    "pop3s": 995,
    "socks": 1080,
    "ms-wbt-server": 3389,
    "svn": 3690,
    "xmpp-client": 5222,
    "xmpp-server": 5269,
    "amqps": 5671,
    "amqp": 5672,
    "redis": 6379,
    "mqtt": 1883,
    "secure-mqtt": 8883,
}

_UDP: Mapping[str, int] = {
    "bootps": 67,
    "bootpc": 68,
    "tftp": 69,
    "isakmp": 500,
    "biff": 512,
    "who": 513,
    "syslog": 514,
    "ipsec-nat-t": 4500,
}

_SCTP: Mapping[str, int] = {"http": 80, "https": 443, "nfs": 2049, "sip": 5060, "sips": 5061, "amqp": 5672}


def port_of(name: str, protocol: Protocol) -> int | None:
    """The port that a service name stands for with this protocol, or None when it has none there."""
    if protocol is Protocol.SCTP:
        return _SCTP.get(name)
    own = _UDP if protocol is Protocol.UDP else _TCP
    return own.get(name) or _BOTH.get(name)
