#!/usr/bin/python3
"""integrity.py DIRECTORY: SQLite's integrity_check of the journal in it, which nobody has open; what it finds, and 1, or nothing, and 0.

Asked of a copy, with the write-ahead log: whoever starts next finds everything as the fault left it, and recovers it by itself."""
import contextlib
import os
import shutil
import sqlite3
import sys
import tempfile


def faults(directory):
    """What is wrong, a line each."""
    with tempfile.TemporaryDirectory(prefix="assayd-") as place:
        copy = os.path.join(place, "journal.db")
        try:
            shutil.copy(os.path.join(directory, "journal.db"), copy)
            with contextlib.suppress(FileNotFoundError):
                shutil.copy(os.path.join(directory, "journal.db-wal"), copy + "-wal")
            with contextlib.closing(sqlite3.connect(copy)) as db:
                said = [line for (line,) in db.execute("PRAGMA integrity_check")]
        except (OSError, sqlite3.DatabaseError) as error:
            return [f"integrity_check: {error}"]
    return [f"integrity_check: {line}" for line in said if line != "ok"]


if __name__ == "__main__":
    FOUND = faults(sys.argv[1])
    print("".join(f"{line}\n" for line in FOUND), end="", file=sys.stderr)
    sys.exit(1 if FOUND else 0)
