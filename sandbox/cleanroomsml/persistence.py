"""The data directory's memory: resources and access keys in SQLite, written before a request is answered.

A kill of the process loses nothing that was answered (write-ahead log; a crash of the machine may lose the last
moments). Work in progress is not kept but done again: a resource says by its status how far it was.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol

from sandbox.cleanroomsml.resources import KINDS, Resource

_FILE: Final = "state.sqlite"
_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS resource (arn TEXT PRIMARY KEY, sequence INTEGER NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS access_key (id TEXT PRIMARY KEY, account TEXT NOT NULL, secret TEXT NOT NULL);
"""


class PersistenceError(RuntimeError):
    """The data directory holds a state that this version cannot read; the message says what to do."""


class Persistence(Protocol):
    """Where resources and keys are kept; `InMemory` and `SqliteFile` are the two."""

    def load(self) -> list[Resource]:
        """Return the resources, oldest first."""

    def save(self, *resources: Resource) -> None:
        """Keep resources as they are now."""

    def remove(self, *resources: Resource) -> None:
        """Forget resources."""

    def access_keys(self) -> Iterator[tuple[str, str, str]]:
        """Yield (access key, account, secret)."""

    def save_key(self, key: str, account: str, secret: str) -> None:
        """Keep an access key."""

    def clear(self) -> None:
        """Forget everything."""

    def close(self) -> None:
        """Let go of the file."""


class InMemory:
    """Keeps nothing: the sandbox without a data directory."""

    def load(self) -> list[Resource]:
        """Nothing."""
        return []

    def save(self, *_resources: Resource) -> None:
        """Nothing to do."""

    def remove(self, *_resources: Resource) -> None:
        """Nothing to do."""

    def access_keys(self) -> Iterator[tuple[str, str, str]]:
        """Nothing."""
        return iter(())

    def save_key(self, _key: str, _account: str, _secret: str) -> None:
        """Nothing to do."""

    def clear(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""


class SqliteFile:
    """Keeps everything in one SQLite file of the data directory."""

    def __init__(self, folder: Path) -> None:
        """Open or make the file.

        Raises:
            PersistenceError: Another version of the sandbox wrote it, or another sandbox uses it.
        """
        self._path = folder / _FILE
        self._file = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=0.5)
        try:
            self._file.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._file.execute("PRAGMA journal_mode = WAL")
            self._file.execute("PRAGMA synchronous = NORMAL")
            self._check_version()
            self._file.executescript(_SCHEMA)
        except sqlite3.Error as error:
            self._file.close()
            raise PersistenceError(
                f"{self._path}: {error}; is another sandbox running with this --data-dir?"
            ) from error

    def _check_version(self) -> None:
        [(found,)] = self._file.execute("PRAGMA user_version").fetchall()
        if found not in {0, _VERSION}:
            self._file.close()
            raise PersistenceError(
                f"{self._path} has version {found}, this sandbox writes {_VERSION}; choose a new folder"
            )
        self._file.execute(f"PRAGMA user_version = {_VERSION}")

    def load(self) -> list[Resource]:
        """Return the resources, oldest first, with the two views of a cross-account job joined."""
        rows = self._file.execute("SELECT body FROM resource ORDER BY sequence").fetchall()
        found: dict[str, Resource] = {}
        twins: dict[str, str] = {}
        for (body,) in rows:
            resource, twin = _read(json.loads(body))
            found[resource.arn] = resource
            if twin:
                twins[resource.arn] = twin
        for arn, twin in twins.items():
            found[arn].twin = found.get(twin)
        return list(found.values())

    def save(self, *resources: Resource) -> None:
        """Write resources as they are now, in one transaction."""
        rows = [(each.arn, each.sequence, json.dumps(_write(each))) for each in resources]
        with self._transaction():
            self._file.executemany("INSERT OR REPLACE INTO resource VALUES (?, ?, ?)", rows)

    def remove(self, *resources: Resource) -> None:
        """Delete resources, in one transaction."""
        with self._transaction():
            self._file.executemany("DELETE FROM resource WHERE arn = ?", [(each.arn,) for each in resources])

    def access_keys(self) -> Iterator[tuple[str, str, str]]:
        """Yield (access key, account, secret)."""
        yield from self._file.execute("SELECT id, account, secret FROM access_key").fetchall()

    def save_key(self, key: str, account: str, secret: str) -> None:
        """Write an access key."""
        self._file.execute("INSERT OR REPLACE INTO access_key VALUES (?, ?, ?)", (key, account, secret))

    def clear(self) -> None:
        """Delete everything."""
        with self._transaction():
            self._file.execute("DELETE FROM resource")
            self._file.execute("DELETE FROM access_key")

    def close(self) -> None:
        """Close the file; the write-ahead log is folded in."""
        self._file.close()

    def _transaction(self) -> "_Transaction":
        return _Transaction(self._file)


class _Transaction:
    """BEGIN and COMMIT, or ROLLBACK."""

    def __init__(self, file: sqlite3.Connection) -> None:
        self._file = file

    def __enter__(self) -> None:
        self._file.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *_: object) -> None:
        self._file.execute("COMMIT" if kind is None else "ROLLBACK")


def _write(resource: Resource) -> dict[str, Any]:
    return {
        "kind": resource.kind.name,
        "account": resource.account,
        "region": resource.region,
        "identity": resource.identity,
        "sequence": resource.sequence,
        "attributes": _split_times(resource.attributes),
        "origin": _split_times(resource.origin),
        "twin": resource.twin.arn if resource.twin else None,
        "lead": resource.lead,
        "policy": resource.policy,
        "history": [[status, at.isoformat()] for status, at in resource.history],
    }


def _read(body: Mapping[str, Any]) -> tuple[Resource, str | None]:
    resource = Resource(
        kind=KINDS[body["kind"]],
        account=body["account"],
        region=body["region"],
        identity=body["identity"],
        sequence=body["sequence"],
        attributes=_join_times(body["attributes"]),
        origin=_join_times(body["origin"]),
        lead=body["lead"],
        policy=body["policy"],
        history=[(status, datetime.fromisoformat(at)) for status, at in body["history"]],
    )
    return resource, body["twin"]


def _split_times(members: Mapping[str, Any]) -> dict[str, Any]:
    """Times apart from the rest: they are at the top level only, and JSON has none."""
    times = {name: value.isoformat() for name, value in members.items() if isinstance(value, datetime)}
    return {"times": times, "rest": {name: value for name, value in members.items() if name not in times}}


def _join_times(split: Mapping[str, Any]) -> dict[str, Any]:
    rest: dict[str, Any] = split["rest"]
    return rest | {name: datetime.fromisoformat(at) for name, at in split["times"].items()}
