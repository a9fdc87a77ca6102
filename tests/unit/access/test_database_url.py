"""Which database the environment names, and what is said of one that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from piranha_web.databases.url import URL, URL_FILE, database, described

VAR = Path("/srv/piranha")


def test_without_a_word_it_is_the_sqlite_file_of_the_folder() -> None:
    assert database({}, VAR)["NAME"] == "/srv/piranha/piranha.sqlite3"
    assert database({"PIRANHA_DATABASE": "/x.db", URL: ""}, VAR)["NAME"] == "/x.db"
    assert database({}, VAR)["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert described(database({}, VAR)) == "/srv/piranha/piranha.sqlite3"


def test_a_url_names_server_database_and_user() -> None:
    found = database({URL: "postgresql://anna:p%40ss%2Fw@db.example.org:5433/lvs"}, VAR)
    assert found["ENGINE"] == "piranha_web.postgresql"
    assert (found["USER"], found["PASSWORD"]) == ("anna", "p@ss/w")
    assert (found["HOST"], found["PORT"], found["NAME"]) == ("db.example.org", 5433, "lvs")
    assert found["CONN_HEALTH_CHECKS"]
    assert found["CONN_MAX_AGE"] > 0
    assert "p@ss" not in described(found)


@pytest.mark.parametrize(
    ("url", "mode", "root"),
    [
        ("postgres://u:p@db.example.org/lvs", "verify-full", "system"),
        ("postgres://u:p@192.0.2.1/lvs?sslrootcert=/ca.pem", "verify-full", "/ca.pem"),
        ("postgres://u:p@db/lvs?sslmode=disable", "disable", None),
        ("postgres://u:p@db/lvs?sslmode=require", "require", None),
        ("postgres://u:p@db/lvs?sslmode=verify-full", "verify-full", "system"),
        ("postgres://u:p@127.0.0.1/lvs", None, None),
        ("postgres://u:p@[::1]/lvs", None, None),
        ("postgres://u:p@localhost/lvs", None, None),
        ("postgresql:///lvs?host=/Run/pg", None, None),
        ("postgresql:///lvs", None, None),
    ],
)
def test_the_way_to_another_machine_is_looked_at_unless_it_says_otherwise(
    url: str, mode: str | None, root: str | None
) -> None:
    options = database({URL: url}, VAR)["OPTIONS"]
    assert (options.get("sslmode"), options.get("sslrootcert")) == (mode, root)
    assert options.get("host", "/Run/pg") == "/Run/pg"


def test_the_url_is_read_from_a_file_as_well(tmp_path: Path) -> None:
    file = tmp_path / "database.url"
    file.write_text("postgresql://u:secret@localhost/lvs\n", encoding="ascii")
    assert database({URL_FILE: str(file)}, VAR)["PASSWORD"] == "secret"


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({URL: "mysql://u:secret@h/lvs"}, "names no PostgreSQL database"),
        ({URL: "secret"}, "names no PostgreSQL database"),
        ({URL: "postgresql://u:secret@h"}, "names no database"),
        ({URL: "postgresql://u:secret@h:port/lvs"}, "cannot be understood"),
        ({URL: "postgresql://u:se[cret@h/lvs"}, "cannot be understood"),
        ({URL: "postgresql://u:secret@h/lvs?options=-c"}, "has the option 'options'"),
        ({URL: "postgresql://h/lvs", URL_FILE: "/x"}, "both set"),
        ({URL: "postgresql://h/lvs", "PIRANHA_DATABASE": "/x"}, "unset one of the two"),
        ({URL_FILE: "/nowhere/database.url"}, "cannot be read"),
        ({URL_FILE: "/dev/null"}, "is empty"),
    ],
)
def test_what_is_wrong_is_said_without_the_password(environment: dict[str, str], said: str) -> None:
    with pytest.raises(ImproperlyConfigured) as refused:
        database(environment, VAR)
    assert said in str(refused.value)
    assert "secret" not in str(refused.value)
