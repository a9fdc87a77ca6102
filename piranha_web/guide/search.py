"""Full text search over the help: which places have the words, best first, and the sentence that has them.

A place is what stands under a heading, or under a term or a row's head that has an anchor. The pages are
read once a process: they change with the program.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser

from django.template.loader import render_to_string
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from piranha_web.access.roles import May
from piranha_web.guide.context import context_of
from piranha_web.guide.pages import PAGES, Page

MOST_FOUND = 30
MOST_WORDS = 8  # of a question; the rest is left out
LONGEST = 240  # characters of the sentence that is shown
HEADINGS = ("h2", "h3")
TERMS = ("dt", "th")  # those that can be led to are places as well
# Words of a question that tell nothing, unless there are no others.
SMALL = re.compile(
    r"a|an|and|are|at|by|can|do|for|from|get|has|have|how|i|in|is|it|my|no|not|of|on|or|the|to|what|when|where"
    r"|which|who|why|will|with"
)
BLOCKS = ("p", "li", "td", "th", "dt", "dd", "tr", "h2", "h3", "pre", "div", "ul", "table", "caption")
PASSED_BY = ("svg", "script", "style")
# What a word weighs by where it stands.
IN_TITLE, IN_WORDS, IN_HEADING, IN_TEXT = 12, 8, 6, 1
MOST_IN_TEXT = 4  # times that it counts there
EVERYTHING = May(operate=True, change=True, manage=True)


@dataclass(frozen=True, slots=True)
class Place:
    """What stands under one heading. anchor and heading: "" above the first one; text: its sentences."""

    page: Page
    anchor: str
    heading: str
    text: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """A place that has the words. pieces: of the sentence, and whether each is one of the words."""

    place: Place
    pieces: tuple[tuple[str, bool], ...]
    score: float

    @property
    def sentence(self) -> SafeString:
        """The sentence with the words marked."""
        return format_html_join(
            "",
            "{}{}{}",
            (
                (SafeString("<mark>"), text, SafeString("</mark>")) if is_word else ("", text, "")
                for text, is_word in self.pieces
            ),
        )


@dataclass
class _Reader(HTMLParser):
    """Takes a page's HTML apart into places."""

    places: list[tuple[str, str, list[str]]] = field(default_factory=lambda: [("", "", [])])
    passed_by: int = 0
    ends: str = ""  # the tag that ends the heading that is being read
    above: tuple[str, str] = ("", "")  # the heading that terms stand under

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.passed_by += tag in PASSED_BY
        anchor = dict(attributes).get("id") or ""
        if tag in HEADINGS or (tag in TERMS and anchor):
            self.places.append((anchor, "", []))
            self.ends = tag
        elif self.ends and tag == "code":
            self.handle_data(" · ")
        elif tag in BLOCKS:
            self.places[-1][2].append("\n")

    def handle_endtag(self, tag: str) -> None:
        self.passed_by -= tag in PASSED_BY
        if tag == self.ends:
            self.ends = ""
            if tag in HEADINGS:
                self.above = self.places[-1][:2]
        elif tag in ("dl", "table"):
            self.places.append((*self.above, []))
        elif tag in BLOCKS:
            self.places[-1][2].append("\n")

    def handle_data(self, data: str) -> None:
        if self.passed_by:
            return
        anchor, heading, texts = self.places[-1]
        if self.ends:
            self.places[-1] = (anchor, heading + data, texts)
        else:
            texts.append(data)


def places_in(page: Page, html: str) -> Iterator[Place]:
    """The places of a page's HTML."""
    reader = _Reader()
    reader.feed(html)
    for anchor, heading, texts in reader.places:
        cut = (re.sub(r"\s+", " ", line).strip() for line in re.split(r"\n\s*\n?", "".join(texts)))
        lines = [line for line in cut if line]
        if lines:
            yield Place(page, anchor, re.sub(r"\s+", " ", heading).strip(" ·"), tuple(sentences(lines)))


def sentences(lines: Iterable[str]) -> Iterator[str]:
    """Lines cut where a sentence ends."""
    for line in lines:
        yield from filter(None, re.split(r"(?<=[.!?:])\s+(?=[A-ZÀ-Þ0-9*])", line))


@cache
def index() -> tuple[Place, ...]:
    """All places of all pages, as an administrator sees them: the help hides nothing from anybody."""
    return tuple(
        place
        for page in PAGES
        for place in places_in(
            page, render_to_string(page.template, {**context_of(page), "may": EVERYTHING, "role": ""})
        )
    )


def words_of(question: str) -> tuple[str, ...]:
    """The words to look for, in small letters, without a plural's s."""
    found = re.findall(r"[\w./:%-]+", question.lower())
    stems = [re.sub(r"(?<=\w{3})(?<!s)s$", "", word.strip(".-:/")) for word in found]
    telling = [word for word in stems if word and not SMALL.fullmatch(word)]
    return tuple(dict.fromkeys(telling or filter(None, stems)))[:MOST_WORDS]


def pattern_of(word: str) -> re.Pattern[str]:
    """Where a word begins."""
    return re.compile(rf"(?<![^\W_]){re.escape(word)}\w*", re.IGNORECASE)


def search(question: str) -> tuple[Found, ...]:
    """The places of the help that have most of the words, best first; () for a question without words."""
    return search_in(index(), question)


def search_in(places: Iterable[Place], question: str) -> tuple[Found, ...]:
    """Those of these places."""
    words = [pattern_of(word) for word in words_of(question)]
    if not words:
        return ()
    judged = [(judge(place, words), place) for place in places]
    most = max((count for (count, _score), _place in judged), default=0)
    if not most:
        return ()
    fitting = [(score, place) for (count, score), place in judged if count == most]
    # Of equal ones the earlier page comes first: the list is in the order of reading, and sorting keeps it.
    fitting.sort(key=lambda each: -each[0])
    return tuple(Found(place, excerpt(place, words), score) for score, place in fitting[:MOST_FOUND])


def judge(place: Place, words: Sequence[re.Pattern[str]]) -> tuple[int, float]:
    """How many of the words a place has, and how much they weigh there."""
    count, score = 0, 0.0
    is_first = not place.anchor
    text = "\n".join(place.text)
    for word in words:
        of_page = IN_TITLE * bool(word.search(place.page.title)) + IN_WORDS * bool(
            word.search(place.page.words)
        )
        weight: float = IN_HEADING * bool(word.search(place.heading))
        weight += IN_TEXT * min(len(word.findall(text)), MOST_IN_TEXT)
        # What a page is about as a whole is found at its top; below, it only tells equal places apart.
        weight += of_page if is_first else of_page / 4 if weight else 0
        count += bool(weight)
        score += weight
    return count, score


def excerpt(place: Place, words: Sequence[re.Pattern[str]]) -> tuple[tuple[str, bool], ...]:
    """The sentence with most of the words, in pieces."""
    if not place.text:
        return ()
    best = max(place.text, key=lambda sentence: sum(bool(word.search(sentence)) for word in words))
    starts = [found.start() for word in words if (found := word.search(best))]
    if len(best) > LONGEST:
        begin = max(0, min(starts, default=0) - LONGEST // 3)
        best = ("… " if begin else "") + best[begin : begin + LONGEST].strip() + " …"
    marks = sorted({found.span() for word in words for found in word.finditer(best)})
    return tuple(pieces(best, marks))


def pieces(text: str, marks: Sequence[tuple[int, int]]) -> Iterator[tuple[str, bool]]:
    """The text in order, cut at the marks."""
    at = 0
    for start, end in marks:
        if start < at:
            continue
        if start > at:
            yield text[at:start], False
        yield text[start:end], True
        at = end
    if at < len(text):
        yield text[at:], False
