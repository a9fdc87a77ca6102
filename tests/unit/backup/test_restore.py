"""What is no whole backup is refused before anything is touched."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from piranha_web.databases.restore import RestoreRefused, unpacked

ROWS = b'{"piranha rows":1}\n'
FILES = {"rows.jsonl": ROWS, "files/allow": b"10.0.0.0/8\n", "files/signing.key": b"key" * 2000}


def manifest(contents: Mapping[str, bytes], **more: Any) -> bytes:
    said: dict[str, Any] = {
        "piranha backup": 1,
        "version": "9.9",
        "made_at": "2026-01-01T00:00:00+00:00",
        "host": "old",
        "database": "x",
        "tables": {"lvs.cluster": [3, "0"]},
        "contents": {name: [len(one), hashlib.sha256(one).hexdigest()] for name, one in contents.items()},
    }
    return json.dumps(said | more).encode()


def archive(*members: tuple[str, bytes], kind: bytes = tarfile.REGTYPE) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w|gz") as made:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            if name != "manifest.json":
                entry.type = kind
                entry.linkname = "/etc/passwd" if kind != tarfile.REGTYPE else ""
                entry.size = entry.size if kind == tarfile.REGTYPE else 0
            made.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def whole(files: Mapping[str, bytes] = FILES, **more: Any) -> bytes:
    return archive(("manifest.json", manifest(files, **more)), *files.items())


def looked_at(content: bytes, var: Path) -> dict[str, bytes]:
    with unpacked(io.BytesIO(content), var, "") as found:
        assert found.rows == 3
        return {name: path.read_bytes() for name, path in found.files.items()}


def test_what_a_restore_that_was_killed_has_left_is_gone_with_the_next_one(tmp_path: Path) -> None:
    old, young, other = (tmp_path / name for name in (".restore-old", ".restore-young", "before-restore-1"))
    for folder in (old, young, other):
        folder.mkdir()
        (folder / "signing.key").write_bytes(b"key")
    for folder in (old, other):
        os.utime(folder, (0, 0))
    looked_at(whole(), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".restore-young", "before-restore-1"]


def test_a_whole_one_is_unpacked_for_a_moment_and_leaves_nothing(tmp_path: Path) -> None:
    var = tmp_path / "var"
    assert looked_at(whole(), var) == {
        "allow": FILES["files/allow"],
        "signing.key": FILES["files/signing.key"],
    }
    assert list(var.iterdir()) == []


def refused(content: bytes, var: Path) -> str:
    before = {one: one.read_bytes() for one in var.iterdir()}
    with pytest.raises(RestoreRefused) as error, unpacked(io.BytesIO(content), var, ""):
        pass
    assert {one: one.read_bytes() for one in var.iterdir()} == before
    return str(error.value)


def test_every_byte_is_compared(tmp_path: Path) -> None:
    (tmp_path / "allow").write_text("mine")
    said = manifest(FILES)
    changed = {**FILES, "files/allow": b"0.0.0.0/0 \n"}
    longer = {**FILES, "files/signing.key": b"key" * 2001}
    fewer = {name: one for name, one in FILES.items() if name != "files/allow"}
    for files, words in ((changed, "files/allow is not"), (longer, "signing.key is not"), (fewer, "missing")):
        assert words in refused(archive(("manifest.json", said), *files.items()), tmp_path)
    assert "does not name" in refused(archive(("manifest.json", said), ("files/more", b"")), tmp_path)
    twice = archive(("manifest.json", said), *FILES.items(), ("files/allow", FILES["files/allow"]))
    assert "no backup" in refused(twice, tmp_path)


def test_one_that_was_cut_off_is_refused_wherever_it_was(tmp_path: Path) -> None:
    content = whole()
    for length in (0, 1, 10, len(content) // 3, len(content) // 2):
        assert refused(content[:length], tmp_path)


@pytest.mark.parametrize(
    "name",
    ["../x", "/etc/passwd", "files/../../x", "files/a/b", "files/.ssh", "files/", "other", "files/x y"],
)
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    files = {**FILES, name: b"x"}
    assert "no backup" in refused(whole(files), tmp_path)
    assert not (tmp_path.parent / "x").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_nothing_but_plain_files_is_unpacked(tmp_path: Path, kind: bytes) -> None:
    linked = archive(("manifest.json", manifest({"rows.jsonl": ROWS})), ("rows.jsonl", ROWS), kind=kind)
    assert refused(linked, tmp_path)


def test_one_of_a_newer_form_says_which_version_is_needed(tmp_path: Path) -> None:
    assert "version 9.9, which is newer" in refused(whole(**{"piranha backup": 2}), tmp_path)


@pytest.mark.parametrize("content", [b"", b"no archive", archive(("rows.jsonl", ROWS)), archive()])
def test_what_is_no_backup_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    assert "no backup of a manager" in refused(content, tmp_path)


def test_a_sealed_one_asks_for_its_passphrase(tmp_path: Path) -> None:
    assert "--passphrase-file" in refused(b"piranha backup sealed 1\n{}\n", tmp_path)


def test_what_is_longer_than_its_manifest_says_is_refused_before_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    as_ever = Path.open

    def noted(path: Path, *words: Any, **more: Any) -> Any:
        opened.append(path.name)
        return as_ever(path, *words, **more)

    longer = {**FILES, "files/allow": bytes(5 << 20)}
    monkeypatch.setattr(Path, "open", noted)
    said = refused(archive(("manifest.json", manifest(FILES)), *longer.items()), tmp_path)
    assert said == "the backup is damaged: files/allow is not what it was"
    assert opened == ["rows.jsonl"]


@pytest.mark.parametrize("odd", [7, None, "x", {}, [1]])
def test_a_manifest_of_another_shape_is_refused_in_words(tmp_path: Path, odd: object) -> None:
    said = json.loads(manifest(FILES))
    for text in (odd, {**said, "contents": odd}, {**said, "contents": {"rows.jsonl": odd}}):
        whole = archive(("manifest.json", json.dumps(text).encode()), ("rows.jsonl", ROWS))
        assert refused(whole, tmp_path)
