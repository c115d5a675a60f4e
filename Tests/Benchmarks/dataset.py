"""Databases of many rows, made once and kept below .build/bench."""

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import ttrpc
from programs import WORK, Failed, LeftOut, Running, connect, feedbackd

FOLDER = WORK / "data"
SCRIPT = Path(__file__).with_name("dataset.sql")
BIG_SESSION = "big"
BIG_SESSION_ROWS = 100_000


@dataclass(frozen=True)
class Shape:
    """The number of rows, and their division among sessions; see dataset.sql."""

    rows: int
    rows_per_session: int = 100
    sessions_abreast: int = 1_000
    has_big_session: bool = True

    @property
    def big_every(self) -> int:
        return self.rows // BIG_SESSION_ROWS if self.has_big_session else 0

    @property
    def sessions(self) -> int:
        big = BIG_SESSION_ROWS if self.has_big_session else 0
        return (self.rows - big) // self.rows_per_session


#: 1,000 sessions of 10 rows, so that as many of them can be written to as in a large database.
SMALL = Shape(10_000, rows_per_session=10, has_big_session=False)


@contextmanager
def copy(shape: Shape) -> Iterator[str]:
    """Makes a copy of the database of the shape, which may be changed, for a `with` block."""
    original = _database(shape)
    with scratch_folder() as folder:
        path = folder / "copy.db"
        shutil.copyfile(original, path)
        # Otherwise the kernel writes the copy out while the first load waits for its own few pages.
        os.sync()
        yield str(path)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Makes a folder on the disk that the benchmark measures, for a `with` block."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    kind = filesystem(FOLDER)
    if kind in {"tmpfs", "ramfs"}:
        raise LeftOut(f"{FOLDER} is on {kind}, where nothing is durable")
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix="scratch-") as folder:
        yield Path(folder)


def filesystem(path: Path) -> str:
    """Returns the kind of the file system that holds a folder."""
    command = ["findmnt", "--noheadings", "--output", "FSTYPE", "--target", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _database(shape: Shape) -> Path:
    """Returns the path of the database of the shape, making it if the present schema has none."""
    with scratch_folder() as folder:
        path = folder / "new.db"
        # The daemon itself makes the tables.
        with Running(feedbackd(f"sqlite:{path}")):
            pass
        schema = _sqlite(path, "SELECT name, sql FROM sqlite_master ORDER BY name")
        key = hashlib.sha256((schema + SCRIPT.read_text() + repr(shape)).encode()).hexdigest()
        kept = FOLDER / f"rows-{shape.rows}-{key[:12]}.db"
        if kept.exists():
            return kept
        for outdated in FOLDER.glob(f"rows-{shape.rows}-*.db"):
            outdated.unlink()
        _fill(path, shape)
        os.replace(path, kept)
    return kept


def _fill(path: Path, shape: Shape) -> None:
    indexes = _sqlite(
        path, "SELECT name, sql || ';' FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    )
    named = dict(row.split("|", 1) for row in indexes.replace("\n ", " ").splitlines())
    values = {
        "rows": shape.rows,
        "sessions": shape.sessions,
        "abreast": min(shape.sessions_abreast, shape.sessions),
        "big_every": shape.big_every,
        "now": int(time.time() * 1000),
    }
    # Changing temp_store would delete the parameters, which are a temporary table.
    script = "PRAGMA temp_store = MEMORY;\n"
    script += "".join(f".parameter set :{name} {value}\n" for name, value in values.items())
    # Building the indexes at the end is much faster than updating them row by row.
    script += "".join(f"DROP INDEX {name};\n" for name in named)
    script += SCRIPT.read_text()
    script += "\n".join(named.values()) + "\nPRAGMA journal_mode = WAL;\n"
    _sqlite(path, script)
    with Running(feedbackd(f"sqlite:{path}")) as running, connect(running.socket) as client:
        total = ttrpc.metrics_total(client)
    if total != shape.rows:
        raise Failed(f"the database of {shape.rows} rows has {total}")


def _sqlite(path: Path, script: str) -> str:
    command = ["sqlite3", "-bail", str(path)]
    result = subprocess.run(command, input=script, capture_output=True, text=True)
    if result.returncode != 0 or result.stderr:
        raise Failed(f"sqlite3: {result.stderr.strip()}")
    return result.stdout
