"""A small OpenID provider on loopback: discovery, authorization code with PKCE, tokens, keys, userinfo.

It is strict where a provider must be (a code counts once, for one client, one address and one verifier), and
lies wherever a test wants it to.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

CLIENT, SECRET = "piranha at home", "s/cret: with+signs"
Claims = dict[str, Any]


def rsa() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


def signed(key: Any, claims: Claims, algorithm: str = "RS256", kid: str | None = "first") -> str:
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid} if kid else {})


def by_hand(header: Claims, claims: Claims, signature: bytes = b"") -> str:
    """A token that no library would make."""
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


@dataclass
class Code:
    """What a code was given for."""

    redirect_uri: str
    challenge: str
    nonce: str
    person: Claims


@dataclass
class Provider:
    """What it says, which a test may change."""

    issuer: str
    key: RSAPrivateKey
    person: Claims = field(default_factory=dict)  # who is logged in there, as claims
    userinfo: Claims = field(default_factory=dict)
    discovery: Claims = field(default_factory=dict)  # in place of, or besides, the true words
    answer: Claims = field(default_factory=dict)  # the same in the way back: error, iss, ...
    keys: list[Claims] = field(default_factory=list)
    make: Callable[[Claims], Any] | None = None  # the token of these claims, where it is not an honest one
    broken: tuple[int, bytes] | None = None  # what is answered to everything
    codes: dict[str, Code] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def words(self) -> Claims:
        """What it says of itself."""
        said = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize?tenant=home",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
        }
        return {name: value for name, value in (said | self.discovery).items() if value is not None}

    def public(self) -> list[Claims]:
        """Its keys."""
        return self.keys or [jwk(self.key, "first")]

    def pem(self) -> bytes:
        """Its public key as a file of text."""
        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def authorize(self, query: dict[str, str]) -> str:
        """Where somebody who has logged in there is sent."""
        assert query["response_type"] == "code"
        assert query["client_id"] == CLIENT
        assert query["code_challenge_method"] == "S256"
        assert query["tenant"] == "home"
        assert "openid" in query["scope"].split()
        code = secrets.token_urlsafe(16)
        self.codes[code] = Code(
            query["redirect_uri"], query["code_challenge"], query["nonce"], dict(self.person)
        )
        answer = {"code": code, "state": query["state"]} | self.answer
        said = {name: value for name, value in answer.items() if value is not None}
        return f"{query['redirect_uri']}?{urlencode(said)}"

    def token(self, form: dict[str, str], header: str) -> tuple[int, Claims]:
        """The tokens for a code, or why not."""
        basic = base64.b64decode(header.removeprefix("Basic ")).decode()
        name, _, secret = basic.partition(":")
        if (unquote(name), unquote(secret)) != (CLIENT, SECRET):
            return 401, {"error": "invalid_client"}
        given = self.codes.pop(form["code"], None)
        made = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest())
        if given is None or given.redirect_uri != form["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        if made.rstrip(b"=").decode() != given.challenge:
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": given.nonce}
        claims |= given.person
        token = self.make(claims) if self.make else signed(self.key, claims)
        return 200, {"access_token": "open", "token_type": "Bearer", "id_token": token}


def jwk(key: RSAPrivateKey, kid: str) -> Claims:
    """A key as the provider publishes it."""
    return {**jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig"}


class Answers(BaseHTTPRequestHandler):
    """HTTP around it."""

    server: Server

    def do_GET(self) -> None:
        provider, parts = self.server.provider, urlsplit(self.path)
        provider.asked.append(parts.path)
        if provider.broken:
            self.say(*provider.broken)
        elif parts.path == "/authorize":
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            self.send_response(302)
            self.send_header("Location", provider.authorize(query))
            self.end_headers()
        elif parts.path == "/userinfo":
            assert self.headers["Authorization"] == "Bearer open"
            self.say(200, json.dumps(provider.userinfo).encode())
        elif parts.path == "/keys":
            self.say(200, json.dumps({"keys": provider.public()}).encode())
        else:
            assert parts.path == "/.well-known/openid-configuration"
            self.say(200, json.dumps(provider.words()).encode())

    def do_POST(self) -> None:
        provider = self.server.provider
        provider.asked.append(self.path)
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if provider.broken:
            self.say(*provider.broken)
            return
        form = {name: values[0] for name, values in parse_qs(body).items()}
        status, said = provider.token(form, self.headers.get("Authorization", ""))
        self.say(status, json.dumps(said).encode())

    def say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        if 300 < status < 400:
            self.send_header("Location", body.decode())
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: Any) -> None:
        """Says nothing on the terminal."""


class Server(ThreadingHTTPServer):
    """The provider at a free port of loopback."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.key = rsa()
        self.provider = self.fresh()
        self.thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def fresh(self) -> Provider:
        """An honest one again."""
        self.provider = Provider(f"http://127.0.0.1:{self.server_port}", self.key)
        return self.provider

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever asks may hang up, as those do who were told too much."""

    def stop(self) -> None:
        self.shutdown()
        self.thread.join()
        self.server_close()
