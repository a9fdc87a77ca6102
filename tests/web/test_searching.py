"""How names and addresses are sorted, and which pages there are."""

from __future__ import annotations

from django.http import QueryDict
from hypothesis import given, settings
from hypothesis import strategies as some

from piranha_web.asked import asked
from piranha_web.listing import page_of
from piranha_web.searching import address_order, natural, word_of


def test_names_are_sorted_as_people_count() -> None:
    names = ["web10", "Web2", "web2b", "10", "9", "", "web"]
    assert sorted(names, key=natural) == ["", "9", "10", "web", "Web2", "web2b", "web10"]


def test_addresses_are_sorted_by_number_and_family_and_missing_ones_last() -> None:
    texts = ["2001:db8::1", "10.0.0.10", None, "10.0.0.9", "9.255.255.255"]
    assert sorted(texts, key=address_order) == ["9.255.255.255", "10.0.0.9", "10.0.0.10", "2001:db8::1", None]


@settings(max_examples=50, deadline=None)
@given(some.text(max_size=40), some.text(max_size=40))
def test_whatever_is_typed_or_named_can_be_sorted_and_looked_for(one: str, other: str) -> None:
    assert sorted([one, other], key=natural)
    for word in one.casefold().split():
        word_of(word)


def test_pages_are_cut_without_a_rest() -> None:
    for count, pages in ((0, 1), (1, 1), (50, 1), (51, 2), (100, 2)):
        page = page_of(range(count), "99")
        assert (page.pages, page.number, page.count, page.last) == (pages, pages, count, count)


def test_an_address_keeps_what_differs_from_the_plain_list_and_nothing_else() -> None:
    plain = asked(QueryDict("q=&state=&page=1&sort=nonsense"), ("state",), {"name": ("Name", "")})
    assert (plain.here(), plain.is_narrow) == ("", False)
    full = asked(QueryDict("q=a%26b&state=failed&page=3&sort=-name"), ("state",), {"name": ("Name", "")})
    assert full.here() == "q=a%26b&state=failed&sort=-name&page=3"
    assert full.query() == "q=a%26b&state=failed&sort=-name"
    assert [one.address for one in full.columns({"name": ("Name", "")})] == ["?q=a%26b&state=failed"]
