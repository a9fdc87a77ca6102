"""What root does below a folder of somebody else's is done as that user, in a process of its own.

Whoever owns a folder may put a link, a pipe or another folder in the place of anything in it, also between
two looks of ours. With their own rights they win nothing by that, which no look beforehand could promise.
"""

from __future__ import annotations

import json
import logging
import os
import pwd
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from lvs.errors import LvsError

T = TypeVar("T")
log = logging.getLogger("piranha.site")


def owner_on_the_way(path: Path) -> int | None:
    """The user id of the first on the way to path that is not root's, path itself included; None: nobody.

    What is not there yet is nobody's. A link of root's is followed, as its owner wants.
    """
    here = Path(os.path.abspath(path))
    for one in (*reversed(here.parents), here):
        try:
            found = one.lstat()
        except OSError:
            return None
        if found.st_uid != 0:
            return found.st_uid
        if stat.S_ISLNK(found.st_mode):
            rest = here.relative_to(one)
            return owner_on_the_way(Path(os.path.realpath(one)) / rest)
    return None


def below(path: Path, work: Callable[[], T], refused: type[LvsError] = LvsError) -> T:
    """What the work says, done with the rights of whom the way to path belongs to, if this process is root's.

    The work's answer must be one that JSON knows. An OSError of the work comes out as itself; an LvsError
    as refused, with its words.
    """
    user = owner_on_the_way(path) if os.geteuid() == 0 else None
    return work() if user is None else as_user(user, work, refused)


def as_user(user: int, work: Callable[[], T], refused: type[LvsError] = LvsError) -> T:
    """The same as that user, by number."""
    sys.stdout.flush()  # else what waits there would be printed by both
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            with os.fdopen(writing, "w", encoding="utf-8") as answer:
                json.dump(_answer(user, work), answer)
        finally:
            os._exit(0)  # nothing of the parent's must run on in here
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as answer:
        text = answer.read()
    os.waitpid(child, 0)
    said: dict[str, Any] = json.loads(text) if text else {"refused": "it ended in an unexpected error"}
    if "os" in said:
        raise OSError(*said["os"])
    if "refused" in said:
        raise refused(said["refused"])
    result: T = said["result"]
    return result


def _answer(user: int, work: Callable[[], object]) -> dict[str, object]:
    try:
        _become(user)
        return {"result": work()}
    except OSError as error:
        if error.errno is None:
            return {"os": [str(error)]}
        name = None if error.filename is None else os.fsdecode(error.filename)
        return {"os": [error.errno, error.strerror, name]}
    except (LvsError, UnicodeError) as error:
        return {"refused": str(error)}
    except Exception as error:
        log.exception("it ended in an unexpected error")
        return {"refused": f"{type(error).__name__}: {error}"}
    finally:
        sys.stdout.flush()


def _become(user: int) -> None:
    """Makes this process, which is root's, one of that user's, for good."""
    try:
        found = pwd.getpwuid(user)
    except KeyError:
        os.setgroups([])
        os.setgid(user)
    else:
        os.initgroups(found.pw_name, found.pw_gid)
        os.setgid(found.pw_gid)
    os.setuid(user)


def open_lock(path: Path) -> int:
    """A descriptor of a lock file, made at need (0600). OSError: what is there is no plain file."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        os.close(descriptor)
        raise OSError(f"{path} is no plain file with one name: remove it")
    return descriptor


def open_plain(path: Path) -> int:
    """A descriptor to read a file by. OSError: it is none, such as a pipe, which would hang us."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path} is no plain file")
    return descriptor


def read_text(path: Path) -> str:
    """The whole text of such a file. OSError, UnicodeError."""
    with open(open_plain(path), encoding="utf-8") as file:
        return file.read()
