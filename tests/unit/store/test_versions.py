"""What was read of each virtual server, and what is read again."""

from __future__ import annotations

from collections.abc import Collection

from lvs.rows.versions import FEW, Versions, new_version


class Rows:
    """Rows by number, which tell how often and which of them were read."""

    def __init__(self, **names: int) -> None:
        self.texts = {number: name for name, number in names.items()}
        self.asked: list[list[int] | None] = []

    def read(self, pks: Collection[int] | None) -> dict[int, str]:
        self.asked.append(None if pks is None else list(pks))
        return {number: text for number, text in self.texts.items() if pks is None or number in pks}


def test_only_what_has_another_version_is_read_again() -> None:
    rows, versions = Rows(shop=1, mail=2), Versions[str]()
    assert versions.of(7, {1: 10, 2: 20}, rows.read) == ["shop", "mail"]
    rows.texts[2] = "post"

    assert versions.of(7, {2: 21, 1: 10}, rows.read) == ["post", "shop"]
    assert versions.of(7, {2: 21, 1: 10}, rows.read) == ["post", "shop"]
    assert rows.asked == [[1, 2], [2]]


def test_many_at_once_are_read_without_naming_each() -> None:
    rows = Rows(shop=1)
    numbers = dict.fromkeys(range(FEW + 1), 5)
    rows.texts = dict.fromkeys(numbers, "x")
    assert len(Versions[str]().of(7, numbers, rows.read)) == FEW + 1
    assert rows.asked == [None]


def test_what_was_deleted_meanwhile_is_left_out() -> None:
    rows, versions = Rows(shop=1), Versions[str]()
    assert versions.of(7, {1: 10, 2: 20}, rows.read) == ["shop"]


def test_what_is_kept_of_owners_does_not_grow_without_end() -> None:
    rows, versions = Rows(shop=1), Versions[str](owners=2)
    for owner in (1, 2, 3, 1):
        versions.of(owner, {1: 10}, rows.read)
    assert len(rows.asked) == 4
    versions.of(3, {1: 10}, rows.read)
    assert len(rows.asked) == 4


def test_no_two_versions_are_the_same() -> None:
    assert len({new_version() for _ in range(100)}) == 100
