"""What the guide needs besides Markdown: what the program says of itself, the help's pages, drawings.

In a page a block `{generated} NAME` stands for Markdown that `reference` makes from the program (done before
Markdown is read, so that its headings are headings of the page), `{help} NAME` for a page of the help in the
panels, and `{drawing} NAME` for one of its drawings, so that neither is written twice. A link to a place in
such a page is written `[text](help:NAME#anchor)`.
"""

from __future__ import annotations

import json
import os
import re
from html import unescape
from pathlib import Path
from typing import Any

from docutils import nodes
from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective
from sphinx.util.osutil import relative_uri

from piranha_web.console.django_ready import set_up_django

GENERATED = re.compile(r"^```\{generated\} ([a-z-]+)\n```$", re.MULTILINE)
TO_HELP = re.compile(r"\[([^\]]+)\]\(help:([a-z-]+)(#[\w-]+)?\)")  # Markdown sees no anchors inside of {help}
HELP = re.compile(r"^```\{help\} ([a-z-]+)\n```$", re.MULTILINE)
LINK = re.compile(r'<a href="(/[^"]*)"[^>]*>(.*?)</a>', re.DOTALL)
ELSEWHERE = {"lvs-cf": "reference/directives"}  # what the guide has in another form
OF_HELP = re.compile(r"/help/([a-z-]+)(#[\w-]+)?")
# A heading has its anchor on the section around it, for the search it has to be on the heading.
SECTION = re.compile(r'<section id="([^"]+)">\s*(?:<span id="[^"]*"></span>\s*)*<h([23])>')
# Markdown's tables have heads in any case; an empty one says nothing to whoever has the page read to them.
NO_HEADS = re.compile(r"<thead>\s*<tr[^>]*>(?:\s*<th[^>]*>\s*(?:<p></p>)?\s*</th>)+\s*</tr>\s*</thead>")
NO_HEAD = re.compile(r"<th[^>]*>\s*(?:<p></p>)?\s*</th>")
# A table with this many columns is moved sideways on a phone, by keyboard as well.
_HEAD = r"(?:(?!</thead>|</table>).)*?"
WIDE = re.compile(rf"<table{_HEAD}(?:<t[hd]\b{_HEAD}){{5}}</thead>.*?</table>", re.DOTALL)
INDEX = "guide.json"
TOPICS: dict[str, str] = {}  # of this build: page of the help -> page of the guide that has it
PLACES: list[dict[str, Any]] = []  # and what stands where, for the search of the application


def generate(app: Sphinx, docname: str, source: list[str]) -> None:
    """Puts what the program says of itself in its place."""
    import reference

    source[0] = GENERATED.sub(lambda found: reference.MAKERS[found[1]](), source[0])
    source[0] = TO_HELP.sub(
        lambda found: f'<a href="{address_of(docname, found[2], found[3] or "")}">{found[1]}</a>', source[0]
    )


def find_topics(app: Sphinx) -> None:
    """Notes which page of the guide has which page of the help."""
    folder = Path(app.srcdir)
    PLACES.clear()
    TOPICS.clear()
    TOPICS.update(ELSEWHERE)
    for path in sorted(folder.rglob("*.md")):
        for found in HELP.finditer(path.read_text(encoding="utf-8")):
            TOPICS[found[1]] = str(path.relative_to(folder).with_suffix(""))


def address_of(docname: str, topic: str, anchor: str) -> str:
    """Where a page of the help, or a place in it ("#times"), is from a page of the guide."""
    if topic not in TOPICS:
        raise ExtensionError(f"{docname}: no page of the guide has the help's page {topic}")
    if TOPICS[topic] == docname:
        return anchor or "#content"
    return relative_uri(f"{docname}.html", f"{TOPICS[topic]}.html") + anchor


class Drawing(SphinxDirective):
    """A drawing of the help."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        return [nodes.raw("", rendered(f"help/diagrams/{self.arguments[0]}.html", {}), format="html")]


class Help(SphinxDirective):
    """A page of the help. Links to other such pages lead to where they stand in the guide; those into the
    panels are left out, for the guide is also read without them."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        from piranha_web.guide.context import context_of
        from piranha_web.guide.pages import BY_NAME

        page = BY_NAME[self.arguments[0]]
        self.env.note_dependency(str(Path(__file__).parents[2] / "templates" / page.template))
        html = rendered(page.template, {**context_of(page), "may": None, "role": "viewer"})
        return [nodes.raw("", LINK.sub(self.led, html), format="html")]

    def led(self, link: re.Match[str]) -> str:
        """That link as it is in the guide."""
        place = OF_HELP.fullmatch(link[1])
        if place is None:
            return link[2]
        return f'<a href="{address_of(self.env.docname, place[1], place[2] or "")}">{link[2]}</a>'


def rendered(template: str, context: dict[str, Any]) -> str:
    """A template of the panels."""
    from django.template.loader import render_to_string

    return render_to_string(template, context)


def finish(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Takes empty heads out of a page's tables, and notes what it says where, for the search."""
    from piranha_web.guide.pages import Page
    from piranha_web.guide.search import places_in

    if doctree is None:
        return
    whole = NO_HEAD.sub("<td></td>", NO_HEADS.sub("", context["body"]))
    context["body"] = WIDE.sub(
        r'<div class="table-scroll" tabindex="0" role="region" aria-label="Wide table">\g<0></div>', whole
    )
    page = Page(
        name=f"{pagename}{context['file_suffix']}",
        title=unescape(re.sub(r"<[^>]+>", "", context["title"])),
        part="",
    )
    body = SECTION.sub(r'<h\2 id="\1">', context["body"])
    for place in places_in(page, body):
        entry = {"page": page.name, "title": page.title, "anchor": place.anchor, "heading": place.heading}
        PLACES.append({**entry, "text": list(place.text)})


def write_places(app: Sphinx, error: Exception | None) -> None:
    """Writes them beside the pages."""
    if error is None and app.builder.name == "html":
        path = Path(app.outdir) / INDEX
        text = json.dumps(PLACES, ensure_ascii=False)
        path.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    os.environ.setdefault("PIRANHA_DATABASE", ":memory:")  # Django wants a name; nothing is asked of it
    set_up_django()
    app.add_lexer("lvs", TextLexer)
    app.add_directive("drawing", Drawing)
    app.add_directive("help", Help)
    app.connect("builder-inited", find_topics)
    app.connect("source-read", generate)
    app.connect("html-page-context", finish)
    app.connect("build-finished", write_places)
    return {"parallel_read_safe": False, "parallel_write_safe": False}
