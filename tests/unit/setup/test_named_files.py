"""Files that are named for the site: seen by its services, and readable for its user."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from piranha_web.setup import named_files, own_redis
from piranha_web.setup.answers import Odd
from piranha_web.setup.named_files import of_database, trouble
from piranha_web.setup.place import NotSetUp, Place
from piranha_web.setup.questions import Present, Questions

UNTRUSTED = "Error 1 connecting to r.lab:6380. [SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate."


def test_a_file_is_there_and_readable_and_where_services_see_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, link = tmp_path / "ca.pem", tmp_path / "link.pem"
    assert trouble(file, for_services=False) == f"There is no file {file}."
    file.touch()
    link.symlink_to(file)
    assert trouble(file, for_services=False) == ""
    monkeypatch.setattr(named_files, "HIDDEN", (tmp_path,))
    for path in (file, link):
        assert "put " + path.name + " into /etc/piranha" in trouble(path, for_services=True)
    assert trouble(file, for_services=False) == ""
    monkeypatch.setattr(named_files, "HIDDEN", ())
    monkeypatch.setattr(named_files, "may_read", lambda _path: False)
    assert f"chgrp piranha {file}; chmod g+r {file}. " in trouble(file, for_services=True)


def test_a_databases_url_names_files_by_three_words() -> None:
    url = "postgresql://u@h/d?sslmode=verify-full&sslrootcert=/a/ca.pem&sslkey=%2Fb%20c.key&sslcert=rel"
    assert list(of_database(url)) == [Path("/a/ca.pem"), Path("/b c.key")]
    assert list(of_database("postgresql://u@h/d?sslrootcert=system")) == []


class Sits:
    """Somebody who types these words."""

    def __init__(self, *words: str) -> None:
        self.words, self.told = list(words), []

    def say(self, text: str = "") -> None:
        self.told.append(text)

    def line(self, prompt: str) -> str:
        self.told.append(prompt)
        return self.words.pop(0)

    secret = line


@pytest.fixture
def signer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one file by which that Redis is believed."""
    file = tmp_path / "ca.pem"
    file.touch()
    monkeypatch.setattr(own_redis, "trouble", lambda _url, ca: "" if ca == file else UNTRUSTED)
    return file


def questions(tmp_path: Path, whom: Sits | None, **flags: object) -> Questions:
    flags = {"redis": None, "redis_file": None, "redis_ca": None, **flags}
    return Questions(whom, Namespace(**flags), Present(settings={}, state={}), Place(tmp_path / "root"))


def test_who_types_a_redis_that_nobody_vouches_for_is_asked_who_signed_it(
    tmp_path: Path, signer: Path
) -> None:
    whom = Sits("rediss://:x@r.lab:6380/0", "", "rediss://:x@r.lab:6380/0", str(signer))
    assert questions(tmp_path, whom).redis() == ("rediss://:x@r.lab:6380/0", signer)
    assert sum("Who signed its certificate" in one for one in whom.told) == 2
    assert any("--redis-ca FILE" in one for one in whom.told)


def test_by_flags_the_file_is_named_and_one_that_is_not_there_is_said(tmp_path: Path, signer: Path) -> None:
    url = tmp_path / "url"
    url.write_text("rediss://:x@r.lab:6380/0")
    assert questions(tmp_path, None, redis_file=url, redis_ca=signer).redis()[1] == signer
    with pytest.raises(NotSetUp, match=r"CERTIFICATE_VERIFY_FAILED.*: --redis-ca FILE\.$"):
        questions(tmp_path, None, redis_file=url).redis()
    with pytest.raises(NotSetUp, match=r"There is no file /no/ca\.pem"):
        questions(tmp_path, None, redis_file=url, redis_ca=Path("/no/ca.pem")).redis()
    with pytest.raises(Odd, match="There is no file"):
        questions(tmp_path, None).refuse_unseen(Path("/no/such"))
