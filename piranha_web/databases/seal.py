"""A backup kept from whoever finds it: by a passphrase, in pieces that cannot be left out or moved.

The key is scrypt's (RFC 7914) of the passphrase and a salt of this file's own, the cipher AES-256-GCM. The
file is a line MAGIC, a line of JSON with the salt and scrypt's parameters, then pieces of SIZE bytes, each
with its tag. A piece's nonce is its number and whether it is the last one, so a file that was cut off, or
whose pieces were moved, does not open (the construction STREAM: Hoang, Reyhanitabar, Rogaway, Vizár 2015).
Both lines are authenticated with each piece.
"""

from __future__ import annotations

import base64
import io
import json
import os
from typing import IO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from lvs.errors import LvsError

MAGIC = b"piranha backup sealed 1\n"
SIZE = 1 << 20
TAG = 16
COST = {"n": 1 << 17, "r": 8, "p": 1}  # 128 MiB and about half a second
MOST_COST = 1 << 21  # of n * r, of which scrypt takes 128 bytes; a stranger's file is not to fill the memory
SHORTEST = 12  # signs of a passphrase


class SealRefused(LvsError):
    """A passphrase that does not open it, or a file that is damaged."""


def cipher(passphrase: str, said: dict[str, object]) -> AESGCM:
    """By the salt and the parameters of a file's second line."""
    try:
        salt = base64.b64decode(str(said["salt"]), validate=True)
        n, r, p = (int(str(said[name])) for name in ("n", "r", "p"))
        if not (len(salt) >= 16 and 0 < n * r <= MOST_COST and p <= 16):
            raise ValueError("out of all proportion")
        return AESGCM(Scrypt(salt=salt, length=32, n=n, r=r, p=p).derive(passphrase.encode()))
    except (KeyError, ValueError) as error:
        raise SealRefused("the beginning of the sealed backup is damaged") from error


def nonce(number: int, *, is_last: bool) -> bytes:
    """Of the piece of that number."""
    return number.to_bytes(11, "big") + bytes([is_last])


class Sealing(io.RawIOBase):
    """Writes into `out` what is written into it, sealed; close() puts the last piece."""

    def __init__(self, out: IO[bytes], passphrase: str) -> None:
        super().__init__()
        if len(passphrase) < SHORTEST:
            raise SealRefused(f"a passphrase has at least {SHORTEST} signs: five words, say")
        said: dict[str, object] = {"salt": base64.b64encode(os.urandom(16)).decode(), **COST}
        self._head = MAGIC + json.dumps(said).encode() + b"\n"
        self._cipher = cipher(passphrase, said)
        self._out, self._left, self._number = out, bytearray(), 0
        out.write(self._head)

    def writable(self) -> bool:
        return True

    def write(self, piece: object) -> int:
        given = bytes(piece)  # type: ignore[call-overload]  # whatever has bytes
        self._left += given
        while len(self._left) > SIZE:  # one is kept back: it may be the last
            self._put(bytes(self._left[:SIZE]), is_last=False)
            del self._left[:SIZE]
        return len(given)

    def close(self) -> None:
        if not self.closed:
            self._put(bytes(self._left), is_last=True)
        super().close()

    def _put(self, piece: bytes, *, is_last: bool) -> None:
        self._out.write(self._cipher.encrypt(nonce(self._number, is_last=is_last), piece, self._head))
        self._number += 1


def unseal(sealed: IO[bytes], passphrase: str, out: IO[bytes]) -> None:
    """Writes what is inside into out. SealRefused: then nothing of out may be believed."""
    second = sealed.readline(1000) if (first := sealed.readline(1000)) == MAGIC else b""
    try:
        said = json.loads(second)
    except ValueError as error:
        raise SealRefused("the beginning of the sealed backup is damaged") from error
    opener, number = cipher(passphrase, dict(said)), 0
    piece, following = sealed.read(SIZE + TAG), b""
    while True:
        following = sealed.read(SIZE + TAG)
        try:
            out.write(opener.decrypt(nonce(number, is_last=not following), piece, first + second))
        except InvalidTag as error:
            why = "the passphrase is wrong, or the file is damaged" if number == 0 else "the file is damaged"
            raise SealRefused(f"the sealed backup does not open: {why}") from error
        if not following:
            return
        piece, number = following, number + 1
