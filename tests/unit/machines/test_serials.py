"""Serial numbers: always growing at the manager, taken once by a router, whatever files and clocks do."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lvs.machines import serials, signing
from lvs.machines.serials import MOST_SEEN, WINDOW, Late, Replayed, SeenSerials, Unrecorded
from lvs.machines.signing import UnusableKey

NOW = 1_795_000_000 * 10**9


@pytest.fixture
def path(tmp_path: Path) -> Path:
    serials.begin(tmp_path / "serials", NOW)
    return tmp_path / "serials"


def test_the_manager_counts_by_its_clock_and_on_when_that_stands_still_or_goes_back(tmp_path: Path) -> None:
    clock = [NOW, NOW, NOW - 10**18, NOW + 5]
    given_out = [serials.next_serial(tmp_path, lambda at=at: at) for at in clock]  # type: ignore[misc]
    assert given_out == [NOW, NOW + 1, NOW + 2, NOW + 5]
    assert (tmp_path / serials.COUNTER_FILE).stat().st_mode & 0o777 == 0o600


def test_no_number_is_given_twice_to_processes_that_ask_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: serials.next_serial(tmp_path, lambda: NOW), range(200)))
    assert len(set(found)) == 200


def test_a_counter_that_makes_no_sense_begins_at_the_clock(tmp_path: Path) -> None:
    (tmp_path / serials.COUNTER_FILE).write_text("nonsense, and a good deal more of it than a number has")
    assert serials.next_serial(tmp_path, lambda: NOW) == NOW
    assert serials.next_serial(tmp_path, lambda: NOW) == NOW + 1


def test_a_manager_whose_folder_cannot_be_written_signs_nothing_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnusableKey, match="cannot be written"):
        serials.next_serial(tmp_path / "file")


def test_a_number_is_taken_once(path: Path) -> None:
    seen = SeenSerials(path)
    seen.take(NOW + 1)
    with pytest.raises(Replayed):
        seen.take(NOW + 1)


def test_a_number_is_on_the_disk_before_it_counts(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    seen = SeenSerials(path)
    seen.take(NOW + 1)
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(path.read_text()))
    seen.take(NOW + 2)
    assert synced == [f"{serials.HEADING}\n{NOW}\n{NOW + 1}\n{NOW + 2}\n"]


def test_it_is_remembered_by_the_next_process(path: Path) -> None:
    SeenSerials(path).take(NOW + 1)
    with pytest.raises(Replayed):
        SeenSerials(path).take(NOW + 1)
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_was_signed_before_the_router_was_enrolled_does_not_count(path: Path) -> None:
    for serial in (0, -1, NOW - 1, NOW):
        with pytest.raises(Late, match="before this router was enrolled"):
            SeenSerials(path).take(serial)


def test_within_the_window_the_order_does_not_matter_and_below_it_nothing_is_taken(path: Path) -> None:
    serials.begin(path)
    seen = SeenSerials(path)
    seen.take(NOW)
    seen.take(NOW - WINDOW + 1)
    with pytest.raises(Late, match="600 s older"):
        seen.take(NOW - WINDOW)


def test_days_between_two_tasks_do_not_matter(path: Path) -> None:
    seen = SeenSerials(path)
    for days in range(1, 40):
        seen.take(NOW + days * 86_400 * 10**9)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(-2, 25), st.booleans()), max_size=40))
def test_nothing_is_ever_taken_twice_and_what_is_new_always_is(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, bool]]
) -> None:
    """Numbers a minute apart in any order, with restarts between them."""
    path = tmp_path_factory.mktemp("serials") / "serials"
    serials.begin(path, NOW)
    seen, taken = SeenSerials(path), [NOW]
    for minutes, restart in steps:
        if restart:
            seen = SeenSerials(path)
        serial = NOW + minutes * 60 * 10**9
        fresh = serial not in taken and serial > NOW and serial > max(taken) - WINDOW
        if fresh:
            seen.take(serial)
            taken.append(serial)
        else:
            with pytest.raises((Replayed, Late)):
                seen.take(serial)


def test_threads_that_take_the_same_number_at_once_get_it_once(path: Path) -> None:
    seen, won = SeenSerials(path), []
    start = threading.Barrier(8)

    def take() -> None:
        start.wait()
        for serial in range(NOW + 1, NOW + 21):
            try:
                seen.take(serial)
            except Replayed:
                continue
            won.append(serial)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == list(range(NOW + 1, NOW + 21))


def test_a_clock_that_was_set_back_far_keeps_no_more_than_so_many(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The manager then counts by ones, and ten minutes would be all the numbers there are."""
    monkeypatch.setattr(serials, "MOST_SEEN", 50)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    seen = SeenSerials(path)
    for serial in range(NOW + 1, NOW + 500):
        seen.take(serial)
    assert len(path.read_text().splitlines()) <= 53
    for serial in (NOW + 1, NOW + 300, NOW + 499):
        with pytest.raises((Replayed, Late)):
            seen.take(serial)
    seen.take(NOW + 500)
    assert MOST_SEEN > 1000


@pytest.mark.parametrize("left", [f"{NOW + 2}"[:12], f"{NOW + 2}", ""])
def test_a_line_that_a_crash_left_by_half_is_not_mixed_with_the_next(path: Path, left: str) -> None:
    SeenSerials(path).take(NOW + 1)
    with path.open("a") as file:
        file.write(left)
    seen = SeenSerials(path)
    seen.take(NOW + 3)
    assert path.read_text() == f"{serials.HEADING}\n{NOW}\n{NOW + 1}\n{NOW + 3}\n"


@pytest.mark.parametrize(
    "content", [None, "", f"{serials.HEADING}\n", "x\n0\n", f"{serials.HEADING}\n0\nx\n", "ä"]
)
def test_a_file_that_is_lost_or_makes_no_sense_lets_nothing_in(path: Path, content: str | None) -> None:
    seen = SeenSerials(path)
    seen.take(NOW + 1)
    path.unlink()
    if content is not None:
        path.write_text(content)
    for one in (seen, seen, SeenSerials(path)):
        with pytest.raises(Unrecorded):
            one.take(NOW + 2)
    serials.begin(path)
    seen.take(NOW + 2)


def test_a_disk_that_is_full_lets_nothing_in_and_what_it_took_by_half_is_cleared_away(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = SeenSerials(path)
    seen.take(NOW + 1)
    write = os.write
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda descriptor, content: write(descriptor, content[:5]))
        with pytest.raises(Unrecorded, match="no space left"):
            seen.take(NOW + 2)
    seen.take(NOW + 2)
    assert path.read_text() == f"{serials.HEADING}\n{NOW}\n{NOW + 1}\n{NOW + 2}\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write for others")
def test_what_root_writes_belongs_to_whoever_owns_the_folder(tmp_path: Path) -> None:
    """`piranha enrol` and `--forget-serials` are typed as root, and the processes run as others."""
    os.chown(tmp_path, 4711, 4712)
    serials.begin(tmp_path / "serials")
    signing.manager_key(tmp_path)
    signing.make_next(tmp_path)
    serials.next_serial(tmp_path)
    found = {path.name: (path.stat().st_uid, path.stat().st_gid) for path in tmp_path.iterdir()}
    assert len(found) == 5
    assert set(found.values()) == {(4711, 4712)}
