"""The file of allowed networks: what is read from it, and how it is changed."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piranha_web.access import allow_file
from piranha_web.access.allow_file import AllowRefused, Entry, Line, Listing, change, line_of, read, reset

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
OFFICE = Entry(ip_network("192.0.2.0/24"), "the office: 2nd floor # east", "anna", AT)
DEFAULT = (ip_network("10.0.0.0/8"), ip_network("fc00::/7"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "allow"


def test_a_line_reads_back_as_what_was_written() -> None:
    for entry in (OFFICE, Entry(OFFICE.network), Entry(OFFICE.network, "by hand"),
                  Entry(OFFICE.network, "", "anna", AT)):  # fmt: skip
        assert line_of(entry.line) == Line(entry.line, entry)


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("192.0.2.0/24", ""),
        ("  192.0.2.0/24#x", "x"),
        ("192.0.2.0/24 # 2026-99-99T03:04:05Z anna: x", "2026-99-99T03:04:05Z anna: x"),
        ("192.0.2.0/24 # 2026-01-02: from Ben", "2026-01-02: from Ben"),
    ],
)
def test_what_a_hand_has_written_behind_a_network_is_a_note(text: str, note: str) -> None:
    assert line_of(text).entry == Entry(OFFICE.network, note)


def test_without_a_file_there_is_no_listing(path: Path) -> None:
    assert read(path) is None


def test_blank_lines_and_comments_are_no_networks(path: Path) -> None:
    path.write_bytes(b"# networks\n\n   \n10.0.0.0/8 # all\r\n\tfc00::/7\n")

    found = read(path)

    assert found is not None
    assert [str(entry.network) for entry in found.entries] == ["10.0.0.0/8", "fc00::/7"]
    assert found.problem == ""


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"10.0.0.0/8\n10.0.0.5/8\n", "line 2: '10.0.0.5/8' can mean two things"),
        (b"\n\nnowhere\n", "line 3: 'nowhere' is no network"),
        (b"10.0.0.0/8\n\xff\xfe\n", "line 2: this is no text"),
        (b"10.0.0.0/8\0\n", "line 1: "),
        (b"10.0.0.0/8 11.0.0.0/8\n", "line 1: "),
        (b"# " + b"x" * 300_000, "more than 256 KiB"),
    ],
)
def test_one_line_that_is_not_understood_makes_the_whole_file_count_for_nothing(
    path: Path, content: bytes, said: str
) -> None:
    path.write_bytes(content)

    found = read(path)

    assert found is not None
    assert found.entries == ()
    assert said in found.problem
    assert str(path) in found.problem


def test_what_cannot_be_read_counts_for_nothing_either(path: Path) -> None:
    path.mkdir()

    found = read(path)

    assert found is not None
    assert "cannot be read" in found.problem


def test_another_file_in_its_place_is_seen_at_once_and_the_same_one_is_not_read_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[bytes] = []
    lines_of = allow_file.lines_of
    monkeypatch.setattr(
        allow_file, "lines_of", lambda content, path: reads.append(content) or lines_of(content, path)
    )
    path.write_text("10.0.0.0/8\n")
    first = [read(path) for _ in range(3)]
    assert len(reads) == 1

    change(path, DEFAULT, lambda lines: [*lines, Line(OFFICE.line, OFFICE)])

    second = read(path)
    assert first[0] == Listing((Line("10.0.0.0/8", Entry(ip_network("10.0.0.0/8"))),))
    assert second is not None
    assert second.entries[-1] == OFFICE


def test_the_first_change_begins_with_what_counted_before(path: Path) -> None:
    left = change(path, DEFAULT, lambda lines: [*lines, Line(OFFICE.line, OFFICE)])

    assert [entry.network for entry in left] == [*DEFAULT, OFFICE.network]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().startswith("# Networks that may reach Piranha Web")
    found = read(path)
    assert found is not None
    assert found.entries == left


def test_a_change_keeps_what_somebody_wrote_around_the_networks(path: Path) -> None:
    path.write_text("# ours\n\n10.0.0.0/8   # all of it\n# theirs\n192.0.2.0/24\n")

    change(path, (), lambda lines: [line for line in lines if line.entry != Entry(OFFICE.network)])

    assert path.read_text() == "# ours\n\n10.0.0.0/8   # all of it\n# theirs\n"


def test_a_broken_file_is_not_changed_but_named(path: Path) -> None:
    path.write_text("10.0.0.0/8\nnowhere\n")

    with pytest.raises(AllowRefused, match=r"line 2: 'nowhere'.*piranha allow reset"):
        change(path, (), lambda lines: lines)

    assert path.read_text() == "10.0.0.0/8\nnowhere\n"


def test_a_change_that_is_refused_leaves_the_file_and_nothing_beside_it(path: Path) -> None:
    path.write_text("10.0.0.0/8\n")

    def refuse(_lines: tuple[Line, ...]) -> list[Line]:
        raise AllowRefused("no")

    with pytest.raises(AllowRefused):
        change(path, (), refuse)

    assert path.read_text() == "10.0.0.0/8\n"
    assert sorted(os.listdir(path.parent)) == [".allow.lock", "allow"]


def test_a_reset_puts_the_file_aside(path: Path) -> None:
    assert reset(path) is None
    path.write_text("nowhere\n")

    kept = reset(path)

    assert kept is not None
    assert kept.read_text() == "nowhere\n"
    assert read(path) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_what_root_makes_belongs_to_whom_the_folder_belongs(path: Path) -> None:
    os.chown(path.parent, 4242, 4343)

    change(path, DEFAULT, lambda lines: lines)

    for name in ("allow", ".allow.lock"):
        found = (path.parent / name).stat()
        assert (found.st_uid, found.st_gid) == (4242, 4343)


@pytest.mark.thorough
@given(content=st.binary(max_size=200))
def test_no_content_makes_the_reader_fail_in_another_way(content: bytes) -> None:
    try:
        allow_file.lines_of(content, Path("allow"))
    except allow_file.Broken as broken:
        assert str(broken).startswith("allow, line ")  # noqa: PT017 - what it says is the point
