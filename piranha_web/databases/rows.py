"""All rows of the site in a form that no database has: out of one, into another.

Lines of JSON. The first says at which migrations the tables were; then for each table a line with its columns
and one for each of its rows; the last one has, of each table, how many rows there are and a sum of their
hashes that does not depend on their order. So a copy is verified by reading it back.

Rows go into tables of the migrations that they come from, by Django's historical models, and are migrated
from there: an older backup gets the same treatment as a database that was there at an upgrade. Left out are
sessions (everybody logs in again) and what Django makes itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any, NoReturn

from django.apps import apps
from django.core.exceptions import ValidationError
from django.core.management.color import no_style
from django.db import DatabaseError, connections, models, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.models.sql import InsertQuery

from lvs.errors import LvsError
from lvs.rows import append_only

FORM = 1
LEFT_OUT = frozenset(
    {
        "auth.group_permissions",
        "auth.permission",
        "auth.user_groups",
        "auth.user_user_permissions",
        "contenttypes.contenttype",
        "lvs.login",
        "sessions.session",
    }
)
BATCH = 500  # rows an INSERT
MODULUS = 1 << 256


class RowsRefused(LvsError):
    """Rows that cannot be taken over; nothing of them was kept."""


@dataclass(slots=True)
class Sum:
    """Of a table's rows: how many, and the sum of their SHA-256."""

    rows: int = 0
    total: int = 0

    def add(self, row: list[Any]) -> None:
        """Counts a row, as it stands in the file."""
        self.rows += 1
        digest = hashlib.sha256(canonical(row).encode()).digest()
        self.total = (self.total + int.from_bytes(digest, "big")) % MODULUS

    @property
    def words(self) -> list[Any]:
        """As it stands in the last line."""
        return [self.rows, f"{self.total:064x}"]


@dataclass(frozen=True, slots=True)
class Table:
    """A table at the migrations of a file, and the file's columns of it."""

    model: Any
    columns: list[str]


def dump(alias: str, out: IO[str]) -> dict[str, list[Any]]:
    """Writes all rows of that database; the sums of its tables. RowsRefused: it is not of this version."""
    executor = MigrationExecutor(connections[alias])
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        raise RowsRefused("the database is of another version than this program: piranha manage migrate")
    write(out, {"piranha rows": FORM, "migrations": leaves(executor)})
    sums = {}
    for model in kept_models():
        names = columns(model)
        write(out, {"model": model._meta.label_lower, "columns": names})
        total = Sum()
        for row in rows(model, alias, names):
            write(out, row)
            total.add(row)
        sums[model._meta.label_lower] = total.words
    write(out, {"end": sums})
    return sums


def leaves(executor: MigrationExecutor) -> list[list[str]]:
    """The last migration of each application."""
    return [list(node) for node in sorted(executor.loader.graph.leaf_nodes())]


def kept_models() -> list[type[models.Model]]:
    """The tables that are taken along."""
    every = apps.get_models(include_auto_created=True)
    return [model for model in every if model._meta.label_lower not in LEFT_OUT]


def columns(model: Any) -> list[str]:
    """The names of a table's columns, as its rows have them."""
    return [field.attname for field in model._meta.concrete_fields]


def rows(model: Any, alias: str, names: list[str]) -> Iterator[list[Any]]:
    """Each row of a table as JSON has it."""
    found: Any = models.QuerySet(model, using=alias).order_by("pk").values_list(*names)
    for row in found.iterator(chunk_size=BATCH):
        yield [plain(value) for value in row]


def plain(value: Any) -> Any:
    """A column's value as JSON has it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if value is None or isinstance(value, bool | int | float | str | list | dict):
        return value
    return str(value)


def canonical(value: Any) -> str:
    """The one spelling of a row: PostgreSQL keeps the order of keys no more than 1e16 beside 10**16."""
    return json.dumps(_without_floats(value), sort_keys=True, separators=(",", ":"))


def _without_floats(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_without_floats(one) for one in value]
    if isinstance(value, dict):
        return {key: _without_floats(one) for key, one in value.items()}
    return value


def write(out: IO[str], line: Any) -> None:
    """One line of the file."""
    out.write(json.dumps(line, separators=(",", ":")) + "\n")


def is_empty(alias: str) -> bool:
    """Whether that database has no table at all."""
    return not connections[alias].introspection.table_names()


def load(alias: str, lines: Iterable[str]) -> dict[str, list[Any]]:
    """Puts the rows of a file into a database without tables, and verifies them; the sums of its tables.

    RowsRefused: they do not fit, and what is there then is to be thrown away.
    """
    reader = iter(lines)
    head = json_line(next(reader, ""))
    if not isinstance(head, Mapping) or head.get("piranha rows") != FORM:
        raise RowsRefused("it has no rows of this site, or those of a newer version of this program")
    executor = MigrationExecutor(connections[alias])
    targets = [tuple(one) for one in head["migrations"]]
    unknown = [name for app, name in targets if (app, name) not in executor.loader.graph.nodes]
    if unknown:
        raise RowsRefused(
            f"it comes from a newer version of this program, which knew {unknown[0]}: install that one first"
        )
    try:
        state = executor.migrate(targets)
        with transaction.atomic(using=alias):
            tables, sums = put(alias, state.apps, reader)
        verify(alias, tables, sums)
        later = MigrationExecutor(connections[alias])
        later.migrate(later.loader.graph.leaf_nodes())
    except DatabaseError as error:
        raise RowsRefused(f"the database refused: {str(error).strip()}") from error
    return sums


def json_line(line: str) -> Any:
    """What a line says."""
    try:
        return json.loads(line)
    except ValueError as error:
        raise RowsRefused("its rows cannot be read: it was cut off, or changed") from error


def put(alias: str, historical: Any, lines: Iterator[str]) -> tuple[list[Table], dict[str, list[Any]]]:
    """Inserts the rows; the tables, and their sums by the file's own last line."""
    connection = connections[alias]
    tables: list[Table] = []
    batch: list[Any] = []
    has_audit = append_only.TABLE in connection.introspection.table_names()
    if has_audit:
        append_only.let_insert(connection)
    for line in lines:
        said = json_line(line)
        if isinstance(said, list):
            batch.append(said)
            if len(batch) < BATCH:
                continue
        if tables:
            insert(alias, tables[-1], batch)
        batch = []
        if isinstance(said, dict) and "end" in said:
            if has_audit:
                append_only.refuse_insert(connection)
            return tables, dict(said["end"])
        if isinstance(said, dict):
            tables.append(Table(historical.get_model(said["model"]), list(said["columns"])))
    raise RowsRefused("its end is missing: it was cut off")


def insert(alias: str, table: Table, batch: list[list[Any]]) -> None:
    """Adds rows as they are: no default, no clock and no method of the row has a say."""
    model, names = table.model, table.columns
    known = {field.attname: field for field in model._meta.concrete_fields}
    if set(names) != set(known):
        refuse(model, "has other columns here")
    fields = [known[name] for name in names]
    try:
        made = [
            model(**{field.attname: value_of(field, value) for field, value in zip(fields, row, strict=True)})
            for row in batch
        ]
    except (ValueError, TypeError, ValidationError) as error:
        refuse(model, f"has a row that does not fit: {error}")
    step = min(BATCH, connections[alias].ops.bulk_batch_size(fields, made) or BATCH)
    for start in range(0, len(made), step):
        query = InsertQuery(model)
        query.insert_values(fields, made[start : start + step], raw=True)
        try:
            with transaction.atomic(using=alias):
                query.get_compiler(using=alias).execute_sql()
        except (DatabaseError, ValueError) as error:
            refuse(model, f"has a row that this database does not take: {str(error).strip()}")


def value_of(field: Any, value: Any) -> Any:
    """A column's value, from how JSON has it."""
    if value is None or isinstance(field, models.JSONField):
        return value
    return field.to_python(value)


def refuse(model: Any, why: str) -> NoReturn:
    raise RowsRefused(f"the table {model._meta.db_table} {why}")


def verify(alias: str, tables: list[Table], wanted: Mapping[str, list[Any]]) -> None:
    """Reads everything back, and has the database count on from where the other one was."""
    connection = connections[alias]
    for table in tables:
        found = Sum()
        for row in rows(table.model, alias, table.columns):
            found.add(row)
        words = wanted.get(table.model._meta.label_lower)
        if found.words != words:
            refuse(table.model, f"has {found.rows} rows here, which are not those of the file")
    connection.check_constraints()
    with connection.cursor() as cursor:
        for sql in connection.ops.sequence_reset_sql(no_style(), [table.model for table in tables]):
            cursor.execute(sql)
