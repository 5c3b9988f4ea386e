"""What the studio remembers of its jobs, in SQLite: written before anything is done on it, so that a restart finds it.

Times of creation are for showing only; the order of jobs is that of their numbers, so a clock that is set back does no
harm.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from kinebeat.errors import InputError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Kind = Literal["soundtrack", "performance", "demo"]
State = Literal["waiting", "working", "done", "failed"]

SCHEMA = 1
MOST_ATTEMPTS = 2
"""A job whose work is cut off by the end of the studio is taken up again, but not more often than this in all."""
BUSY_S = 5.0
FULL = ("full", "readonly", "disk I/O")
"""What SQLite's words have in them when the disk, not the file, is at fault."""
TABLES = """
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    created TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    options TEXT NOT NULL,
    facts TEXT NOT NULL DEFAULT '{}',
    problem TEXT,
    remedy TEXT
);
CREATE TABLE IF NOT EXISTS variants (
    job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    name TEXT NOT NULL,
    revision INTEGER NOT NULL,
    settings TEXT NOT NULL,
    PRIMARY KEY (job, number)
);
"""


@dataclass(frozen=True)
class Job:
    """One clip and what is to be made of it.

    Attributes:
        id: 16 hexadecimal digits; the name of its folder.
        name: what the user called the file, made harmless.
        kind: soundtrack, performance or demo.
        state: waiting, working, done or failed.
        created: ISO 8601, UTC.
        attempts: how often work on it has been begun.
        options: of a performance: instrument, transpose, key, sound.
        facts: what is known of the clip: duration_s, width, height, has_sound, warnings, media (how browsers take it).
        problem: why it failed; None unless it did.
        remedy: what to do about it.
        number: place in the order of arrival.
    """

    id: str
    name: str
    kind: Kind
    state: State
    created: str
    attempts: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    problem: str | None = None
    remedy: str | None = None
    number: int = 0


@dataclass(frozen=True)
class Variant:
    """One soundtrack of a job.

    Attributes:
        number: counted from 1; never used again.
        name: what the user calls it.
        revision: how often it has been made; its sound and files belong to one.
        settings: as the page gives them.
    """

    number: int
    name: str
    revision: int
    settings: dict[str, Any]


class Store:
    """The studio's memory; every change is on the disk when its method returns.

    Args:
        path: of the database.

    Raises:
        InputError: there is something else at `path`, or a later Kinebeat has made it.
        OutputError: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        with self._told():
            self._db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
            self._db.row_factory = sqlite3.Row
        try:
            with self._told():
                schema = self._db.execute("PRAGMA user_version").fetchone()[0]
                if schema > SCHEMA:
                    raise InputError(path, "was written by a later Kinebeat", "install that, or name another --data")
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA synchronous = FULL")
                self._db.execute("PRAGMA foreign_keys = ON")
                self._db.executescript(TABLES)
                self._db.execute(f"PRAGMA user_version = {SCHEMA}")
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._db.close()

    def add(self, job: Job) -> Job:
        """Keep a new job; it comes back with its number."""
        with self._changing() as db:
            number = db.execute(
                "INSERT INTO jobs (id, name, kind, state, created, options) VALUES (?, ?, ?, ?, ?, ?)",
                (job.id, job.name, job.kind, job.state, job.created, json.dumps(job.options)),
            ).lastrowid
        return replace(job, number=number or 0)

    def jobs(self) -> list[Job]:
        """All jobs, the newest first."""
        with self._told(), self._lock:
            return [_job(row) for row in self._db.execute("SELECT * FROM jobs ORDER BY number DESC")]

    def job(self, name: str) -> Job | None:
        """A job by its id; None if there is none."""
        with self._told(), self._lock:
            row = self._db.execute("SELECT * FROM jobs WHERE id = ?", (name,)).fetchone()
        return None if row is None else _job(row)

    def remove(self, name: str) -> None:
        """Forget a job and its variants."""
        with self._changing() as db:
            db.execute("DELETE FROM jobs WHERE id = ?", (name,))

    def waiting(self) -> list[str]:
        """Ids of the jobs that wait, the oldest first."""
        with self._told(), self._lock:
            rows = self._db.execute("SELECT id FROM jobs WHERE state = 'waiting' ORDER BY number")
            return [row["id"] for row in rows]

    def begin(self, name: str) -> None:
        """Note that work on a job begins."""
        with self._changing() as db:
            db.execute("UPDATE jobs SET state = 'working', attempts = attempts + 1 WHERE id = ?", (name,))

    def fail(self, name: str, problem: str, remedy: str) -> None:
        """Note that a job came to nothing."""
        with self._changing() as db:
            db.execute(
                "UPDATE jobs SET state = 'failed', problem = ?, remedy = ? WHERE id = ?", (problem, remedy, name)
            )

    def put_back(self, name: str) -> None:
        """Let a job wait again whose work was ended in an orderly way: that does not count as an attempt."""
        with self._changing() as db:
            db.execute(
                "UPDATE jobs SET state = 'waiting', attempts = max(0, attempts - 1) WHERE id = ? AND state = 'working'",
                (name,),
            )

    def again(self, name: str) -> None:
        """Let a failed job wait once more, as if it were new."""
        with self._changing() as db:
            db.execute(
                "UPDATE jobs SET state = 'waiting', attempts = 0, problem = NULL, remedy = NULL WHERE id = ?", (name,)
            )

    def know(self, name: str, facts: dict[str, Any]) -> None:
        """Keep what has become known of a clip."""
        with self._changing() as db:
            row = db.execute("SELECT facts FROM jobs WHERE id = ?", (name,)).fetchone()
            if row is not None:
                known = json.loads(row["facts"]) | facts
                db.execute("UPDATE jobs SET facts = ? WHERE id = ?", (json.dumps(known), name))

    def finish(self, name: str, first: Variant) -> None:
        """Note that a job is done, with its first variant, both or neither."""
        with self._changing() as db:
            db.execute("UPDATE jobs SET state = 'done', problem = NULL, remedy = NULL WHERE id = ?", (name,))
            _put(db, name, first)

    def take_up(self) -> list[Job]:
        """After a restart: jobs that were being worked on wait again, or fail if that has happened before.

        Returns:
            Those that failed.
        """
        words = (
            "the studio ended while it was worked on, more than once",
            "try again; if it happens again, use another clip",
        )
        with self._changing() as db:
            rows = db.execute(
                "SELECT * FROM jobs WHERE state = 'working' AND attempts >= ?", (MOST_ATTEMPTS,)
            ).fetchall()
            for row in rows:
                db.execute(
                    "UPDATE jobs SET state = 'failed', problem = ?, remedy = ? WHERE id = ?", (*words, row["id"])
                )
            db.execute("UPDATE jobs SET state = 'waiting' WHERE state = 'working'")
        return [_job(row) for row in rows]

    def variants(self, name: str) -> list[Variant]:
        """The variants of a job, in order of their numbers."""
        with self._told(), self._lock:
            rows = self._db.execute("SELECT * FROM variants WHERE job = ? ORDER BY number", (name,))
            return [_variant(row) for row in rows]

    def put(self, name: str, variant: Variant) -> None:
        """Keep a variant, in place of the one of its number."""
        with self._changing() as db:
            _put(db, name, variant)

    def drop(self, name: str, number: int) -> None:
        """Forget a variant."""
        with self._changing() as db:
            db.execute("DELETE FROM variants WHERE job = ? AND number = ?", (name, number))

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """One change, whole or not at all."""
        with self._told(), self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Errors of SQLite in words."""
        try:
            yield
        except sqlite3.OperationalError as error:
            if self._db_open and any(word in str(error) for word in FULL):
                raise OutputError(self._path, f"cannot be written ({error})", "free some space") from error
            raise OutputError(self._path, f"cannot be used ({error})", "name another folder with --data") from error
        except sqlite3.DatabaseError as error:
            remedy = "remove it, or name another folder with --data"
            raise InputError(self._path, f"is damaged or no database ({error})", remedy) from error

    @property
    def _db_open(self) -> bool:
        return hasattr(self, "_db")


def now() -> str:
    """The time, for showing."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _put(db: sqlite3.Connection, name: str, variant: Variant) -> None:
    db.execute(
        "INSERT INTO variants (job, number, name, revision, settings) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (job, number) DO UPDATE SET name = excluded.name, revision = excluded.revision, "
        "settings = excluded.settings",
        (name, variant.number, variant.name, variant.revision, json.dumps(variant.settings)),
    )


def _job(row: sqlite3.Row) -> Job:
    return Job(
        id=row["id"],
        name=row["name"],
        kind=row["kind"],
        state=row["state"],
        created=row["created"],
        attempts=row["attempts"],
        options=json.loads(row["options"]),
        facts=json.loads(row["facts"]),
        problem=row["problem"],
        remedy=row["remedy"],
        number=row["number"],
    )


def _variant(row: sqlite3.Row) -> Variant:
    return Variant(row["number"], row["name"], row["revision"], json.loads(row["settings"]))
