"""A sealed backup opens with its passphrase, whole and as it was, or not at all."""

from __future__ import annotations

import io

import pytest

from piranha_web.databases import seal
from piranha_web.databases.seal import MAGIC, TAG, Sealing, SealRefused, unseal

PHRASE = "five words in a row"


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seal, "COST", {"n": 16, "r": 1, "p": 1})
    monkeypatch.setattr(seal, "SIZE", 64)


def sealed(content: bytes, step: int = 50) -> bytes:
    out = io.BytesIO()
    with Sealing(out, PHRASE) as sealing:
        for start in range(0, len(content), step):
            sealing.write(content[start : start + step])
    return out.getvalue()


def opened(content: bytes, passphrase: str = PHRASE) -> bytes:
    out = io.BytesIO()
    unseal(io.BytesIO(content), passphrase, out)
    return out.getvalue()


@pytest.mark.parametrize("length", [0, 1, 63, 64, 65, 128, 129, 500])
def test_what_was_sealed_comes_out_as_it_was_whatever_its_length(length: int) -> None:
    content = bytes(range(256)) * 2
    assert opened(sealed(content[:length])) == content[:length]
    assert opened(sealed(content[:length], step=500)) == content[:length]


def test_nothing_of_it_can_be_read_and_no_two_are_alike() -> None:
    one, other = sealed(b"piranha" * 9), sealed(b"piranha" * 9)
    assert b"piranhapiranha" not in one
    assert one != other


def test_it_opens_with_no_other_passphrase() -> None:
    with pytest.raises(SealRefused, match="the passphrase is wrong, or the file is damaged"):
        opened(sealed(b"x"), PHRASE + "s")


def pieces(content: bytes) -> tuple[bytes, list[bytes]]:
    """Both lines, and the pieces after them."""
    start = content.index(b"\n", len(MAGIC)) + 1
    length = 64 + TAG
    rest = content[start:]
    return content[:start], [rest[at : at + length] for at in range(0, len(rest), length)]


def test_no_piece_can_be_left_out_moved_repeated_or_changed() -> None:
    head, (first, second, third) = pieces(sealed(bytes(150)))
    assert opened(head + first + second + third) == bytes(150)
    flipped = bytes([first[0] ^ 1]) + first[1:]
    for damaged in (
        [first, second],
        [first],
        [],
        [second, third],
        [first, third],
        [second, first, third],
        [first, first, second, third],
        [first, second, third, third],
        [flipped, second, third],
        [first, second, third[:-1]],
    ):
        with pytest.raises(SealRefused):
            opened(head + b"".join(damaged))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"n": 16', b'"n": 32'),
        (b'"n": 16', b'"n": 99999999'),
        (b'"n": 16', b'"n": "x"'),
        (b'"salt": "', b'"salt": "AA'),
        (b"{", b"["),
        (b"sealed 1", b"sealed 2"),
    ],
)
def test_its_beginning_is_looked_at_before_it_is_believed(old: bytes, new: bytes) -> None:
    with pytest.raises(SealRefused):
        opened(sealed(b"x").replace(old, new, 1))


def test_a_short_passphrase_is_refused_before_anything_is_written() -> None:
    out = io.BytesIO()
    with pytest.raises(SealRefused, match="at least 12 signs"):
        Sealing(out, "short")
    assert out.getvalue() == b""


def test_a_strangers_file_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(**_parameters: object) -> None:
        raise AssertionError("scrypt was asked")

    monkeypatch.setattr(seal, "Scrypt", asked)
    for n, r in ((1 << 20, 16), (1 << 20, 4), (1 << 40, 1), (2, 1 << 30), (-(1 << 20), -(1 << 20))):
        with pytest.raises(SealRefused):
            seal.cipher(PHRASE, {"salt": "A" * 24, "n": n, "r": r, "p": 1})
    with pytest.raises(AssertionError, match="was asked"):
        seal.cipher(PHRASE, {"salt": "A" * 24, "n": 1 << 17, "r": 8, "p": 1})
