"""What a package says of licences: /usr/share/doc/NAME/copyright, in Debian's form (DEP 5).

What is of others is read where it lies: the Python packages' METADATA and licences, the folders of
`static/vendor`, and of the guide's files those that came with Sphinx.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from email.parser import Parser
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path, PurePosixPath

FORMAT = "https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/"
HEAD = """\
Format: {format}
Upstream-Name: Piranha Web
Comment: {comment}

Files: *
Copyright: {year} The authors of Piranha Web
License: none-stated
 The project that this package was built from has no file that states a licence. So none is stated here:
 ask its authors before you pass it on.
"""
MIXED = "What others made is in the paragraphs below, each with the place of its licence in this package."
OWN_ALONE = "Everything in this package is the project's own."
LICENCES = re.compile(r"(licen[cs]e|copying|notice)", re.IGNORECASE)
HOLDER = re.compile(r"\W*copyright\s+((?:\(c\)|©)?\s*[^\[\s].*)", re.IGNORECASE)
SAYS_WHO = re.compile(r"\(c\)|©|\d{4}", re.IGNORECASE)  # else it is a sentence about copyright
THE_TEXTS_OWN = "Free Software Foundation"  # who has written a licence, not what is under it
VAGUE = ("", "UNKNOWN", "Dual License")
TITLES = {"The MIT License (MIT)": "MIT", "Zero-Clause BSD": "0BSD"}


@dataclass(frozen=True, slots=True)
class Piece:
    """Something that others made. files: patterns below /, as DEP 5 has them; texts: where its licence is."""

    name: str
    files: tuple[str, ...]
    holders: tuple[str, ...]
    licence: str
    texts: tuple[str, ...]
    inside: tuple[str, ...] = ()  # shared libraries of yet others that came with it

    def stanza(self) -> str:
        """Its paragraph."""
        lines = [f"Files: {' '.join(self.files)}", f"Copyright: {self.holders[0]}"]
        lines += [f" {one}" for one in self.holders[1:]]
        lines += [f"License: {self.licence}", f" The licence of {self.name} is in"]
        lines += [f" /{one}" for one in self.texts]
        if self.inside:
            lines += ["Comment: With it came these libraries, each under the licence of its own makers:"]
            lines += [f" {one}" for one in self.inside]
        return "".join(f"{line}\n" for line in lines)


def copyright_of(pieces: Iterable[Piece], year: int) -> str:
    """The whole file."""
    stanzas = [one.stanza() for one in pieces]
    head = HEAD.format(format=FORMAT, year=year, comment=MIXED if stanzas else OWN_ALONE)
    return "\n".join([head, *stanzas])


def of_python(site: Path, at: str, tops: Mapping[str, tuple[str, ...]]) -> Iterator[Piece]:
    """The Python packages unpacked in site, which is to lie at that place.

    tops: what each brought, by the name of its dist-info.
    """
    for about in sorted(tops, key=str.lower):
        told = Parser().parsestr((site / about / "METADATA").read_text(encoding="utf-8"), headersonly=True)
        texts = licences(site / about)
        libraries = (
            path.name for top in tops[about] if top.endswith(".libs") for path in (site / top).iterdir()
        )
        lies = (one + ("/*" if (site / one).is_dir() else "") for one in (*tops[about], about))
        yield Piece(
            name=str(told["Name"]),
            files=tuple(f"{at}/{one}" for one in lies),
            holders=holders(texts) or (author(told),),
            licence=short_name(told),
            texts=tuple(f"{at}/{path.relative_to(site)}" for path in texts) or (f"{at}/{about}/METADATA",),
            inside=tuple(sorted(libraries)),
        )


def of_vendored(folder: Path, at: str) -> Iterator[Piece]:
    """What lies in the folders of static/vendor, each with its LICENSE."""
    for one in sorted(path for path in folder.iterdir() if path.is_dir()):
        text = one / "LICENSE"
        title = text.read_text(encoding="utf-8").partition("\n")[0].strip()
        yield Piece(
            name=one.name,
            files=(f"{at}/{one.name}/*",),
            holders=holders([text]) or (f"The authors of {one.name.rpartition('-')[0]}",),
            licence=TITLES.get(title) or dashed(title),
            texts=(f"{at}/{one.name}/LICENSE",),
        )


def of_sphinx(static: Path, at: str) -> Iterator[Piece]:
    """Those of the guide's files that came with Sphinx. Its licence is put beside them."""
    try:
        sphinx = distribution("Sphinx")
    except PackageNotFoundError:
        return
    found = sphinx.files or []
    names = {re.sub(r"(_t|\.jinja)$", "", PurePosixPath(str(one)).name) for one in found}
    own = sorted(path.name for path in static.iterdir() if path.name in names)
    texts = [one for one in found if ".dist-info/" in str(one) and LICENCES.match(one.name)]
    if not own or not texts:
        return
    text = static / "LICENSE.sphinx"
    text.write_text("\n".join(one.read_text(encoding="utf-8") for one in texts), encoding="utf-8")
    told = Parser().parsestr(sphinx.read_text("METADATA") or "", headersonly=True)
    yield Piece(
        name="Sphinx",
        files=tuple(f"{at}/{name}" for name in (*own, text.name)),
        holders=holders([text]) or (author(told),),
        licence=short_name(told),
        texts=(f"{at}/{text.name}",),
    )


def licences(about: Path) -> list[Path]:
    """The files of a dist-info that state its licence."""
    found = (path for path in about.rglob("*") if path.is_file() and LICENCES.match(path.name))
    return sorted(found)


def holders(texts: Iterable[Path]) -> tuple[str, ...]:
    """Who has the copyright by these texts, in their own words, each once."""
    found: dict[str, None] = {}
    for path in texts:
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            match = HOLDER.match(line)
            if match and SAYS_WHO.match(match[1]) and THE_TEXTS_OWN not in line:
                found[" ".join(re.sub(r"^(\(c\)|©)\s*", "", match[1], flags=re.IGNORECASE).split())] = None
    return tuple(found)


def author(told: Message) -> str:
    """Who made it by METADATA."""
    for field in ("Author", "Author-email", "Maintainer", "Maintainer-email"):
        if said := " ".join(str(told.get(field) or "").split()):
            return said
    return f"The authors of {told['Name']}"


def short_name(told: Message) -> str:
    """The licence's short name: the expression of METADATA, its field, or its classifiers."""
    said = str(told.get("License-Expression") or "").strip()
    if not said:
        said = str(told.get("License") or "").strip().partition("\n")[0]
    if said in VAGUE or len(said) > 60:
        kinds = [str(one) for one in told.get_all("Classifier", []) if str(one).startswith("License ::")]
        said = " or ".join(dashed(one.rpartition("::")[2]) for one in kinds) or "see-text"
    words = re.split(r"\s+(or|and)\s+", said, flags=re.IGNORECASE)
    return " ".join(one.lower() if one.lower() in ("or", "and") else dashed(one) for one in words)


def dashed(name: str) -> str:
    """A name as one word, which DEP 5 wants."""
    return "-".join(re.sub(r"[(),]", " ", name).split())
