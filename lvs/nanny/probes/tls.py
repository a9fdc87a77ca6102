"""TLS on a socket of ours: the handshake, what is wrong with a certificate, and when it ends.

OpenSSL works on two memory buffers, and the caller's `send` and `receive` carry their bytes: so a check needs
no thread and no transport, and leaves nothing behind when it is cut short.
"""

from __future__ import annotations

import functools
import ssl
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import TypeVar

from lvs.nanny import certificate
from lvs.nanny.checks import Tls
from lvs.nanny.probes.finding import Record

T = TypeVar("T")

_MOST = 16 * 1024
_FRESH_SECONDS = 3600  # after which the router's own authorities are read again

# Of openssl-verification-options(1) and x509_vfy.h: X509_V_ERR_*.
_NOT_YET_VALID, _EXPIRED = 9, 10
_OUT_OF_DATE = (_NOT_YET_VALID, _EXPIRED)
_WORDS = {
    _NOT_YET_VALID: "certificate is not valid yet",
    _EXPIRED: "certificate has expired",
    18: "certificate is self-signed",
    19: "certificate is of an authority that this router does not trust",
    20: "certificate is of an authority that this router does not trust",
    21: "certificate is of an authority that this router does not trust",
    23: "certificate is revoked",
    62: "certificate is not for {name}",
    64: "certificate is not for {name}",
}

_NOT_TLS = ("wrong version number", "http request", "packet length too long", "record layer failure")


class Refused(Exception):
    """TLS does not come about. out_of_date: since it is verified, and its time is over or has not come."""

    def __init__(self, reason: str, *, out_of_date: bool = False) -> None:
        super().__init__(reason)
        self.out_of_date = out_of_date


class Layer:
    """TLS over send(data) and receive(most), which gives b"" at the end."""

    def __init__(
        self,
        tls: Tls,
        send: Callable[[bytes], Awaitable[None]],
        receive: Callable[[int], Awaitable[bytes]],
    ) -> None:
        self._tls = tls
        self._send = send
        self._receive = receive
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        try:
            # For an address ssl itself sends no SNI, and verifies the certificate's addresses (RFC 6066, 3).
            self._object = _context(tls.verify, int(time.time() // _FRESH_SECONDS)).wrap_bio(
                self._incoming, self._outgoing, server_hostname=tls.name
            )
        except (ValueError, UnicodeError) as error:
            raise Refused(f"{tls.name!r} is no name of a host: correct tls_name or http_host") from error

    async def shake_hands(self, record: Record) -> None:
        """Raises Refused; OSError is that of send and receive."""
        try:
            await self._until_done(self._object.do_handshake)
        except ssl.SSLError as error:
            with suppress(OSError):
                await self._flush()  # the alert tells the real server why; it may be gone already
            raise self._refusal(error) from error
        cipher = self._object.cipher()
        record.note(f"{self._object.version()}, {cipher[0] if cipher else 'no cipher'}, SNI {self._tls.name}")
        dates = self.dates()
        if dates is not None:
            record.note(f"certificate from {dates.begins:%Y-%m-%d} to {dates.ends:%Y-%m-%d}")

    async def send(self, data: bytes) -> None:
        """Raises Refused, OSError."""
        try:
            await self._until_done(lambda: self._object.write(data))
        except ssl.SSLError as error:
            raise Refused(_tls_words(error)) from error

    async def receive(self, most: int) -> bytes:
        """Up to that many bytes, b"" at the end, said in order or not; raises Refused."""
        try:
            return await self._until_done(lambda: self._object.read(most))
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return b""
        except ssl.SSLError as error:
            raise Refused(_tls_words(error)) from error

    def dates(self) -> certificate.Validity | None:
        """From when to when the real server's certificate is valid; None when that cannot be read."""
        der = self._object.getpeercert(binary_form=True)
        try:
            return certificate.validity(der) if der else None
        except ValueError:
            return None

    def warning(self) -> str:
        dates = self.dates()
        if dates is None:
            return "certificate's dates cannot be read" if self._tls.expiry else ""
        return certificate.warning(dates, datetime.now(UTC), self._tls.expiry)

    async def _until_done(self, step: Callable[[], T]) -> T:
        """Try step again after each piece that comes, as long as it asks for more."""
        while True:
            try:
                done = step()
            except ssl.SSLWantReadError:
                await self._flush()
                data = await self._receive(_MOST)
                if data:
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
            else:
                await self._flush()
                return done

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await self._send(self._outgoing.read())

    def _refusal(self, error: ssl.SSLError) -> Refused:
        if isinstance(error, ssl.SSLCertVerificationError):
            words = _WORDS.get(error.verify_code, f"certificate: {error.verify_message}")
            return Refused(words.format(name=self._tls.name), out_of_date=error.verify_code in _OUT_OF_DATE)
        return Refused(_tls_words(error))


def _tls_words(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return "TLS: the real server closed the connection during the handshake"
    reason = (error.reason or "failed").lower().replace("_", " ")
    if reason in _NOT_TLS:
        return f"TLS: the real server does not speak it on this port ({reason})"
    return f"TLS: {reason}"


@functools.lru_cache(maxsize=2)
def _context(verify: bool, age: int) -> ssl.SSLContext:
    """Shared, since reading the authorities takes some 10 ms; each new age (in _FRESH_SECONDS) reads them."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if not verify:
        # Then the question is only whether it serves: an old server that offers no more than this does.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context


def forget_authorities() -> None:
    """Read the router's authorities again at the next check."""
    _context.cache_clear()
