"""Files that are whole or not there: atomic writing of JSON and CSV, and reading them back.

Every file is written beside its final place, flushed to the disk and then renamed over it, so that a reader, or the
next process after a power cut, sees the old content or the new, never a part. The only file that grows in place is a
log of one JSON object a line.
"""

import csv
import json
import math
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from enas.errors import RunError

PARTIAL_PREFIX = ".partial-"

_RESERVED_ON_WINDOWS = {"con", "prn", "aux", "nul", *(f"{port}{i}" for port in ("com", "lpt") for i in range(1, 10))}
_MAX_NAME_BYTES = 200  # file systems take 255; the rest is for what is added


def problem_of_name(name: str) -> str | None:
    """Why ``name`` cannot be one file's or directory's on every system; None if it can.

    >>> problem_of_name("enas_demo"), problem_of_name("a/b"), problem_of_name("NUL.txt")
    (None, "contains '/'", 'is reserved on Windows')
    """
    if not name.strip() or name in {".", ".."}:
        return "is no name for a directory"
    if bad := sorted({character for character in name if character in '<>:"/\\|?*' or not character.isprintable()}):
        return f"contains {' '.join(map(repr, bad))}"
    if name != name.strip() or name.endswith("."):
        return "begins or ends with a space or ends with a dot"
    if name.split(".")[0].lower() in _RESERVED_ON_WINDOWS:
        return "is reserved on Windows"
    if len(name.encode()) > _MAX_NAME_BYTES:
        return f"is longer than {_MAX_NAME_BYTES} bytes"
    return None


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside ``path`` to write to; at the end it takes the place of ``path`` in one step.

    The yielded path keeps the suffix (matplotlib goes by it). If the block raises, ``path`` stays as it was.

    Raises:
        RunError: the system refuses (no space, no permission, a missing directory).
    """
    partial = path.with_name(f"{PARTIAL_PREFIX}{os.getpid()}-{path.name}")
    try:
        yield partial
        _flush_to_disk(partial)
        partial.replace(path)
        if os.name == "posix":  # the rename itself must outlive a power cut; Windows cannot open a directory
            _flush_to_disk(path.parent)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):  # a name that cannot be written cannot be removed either
            partial.unlink(missing_ok=True)


def _flush_to_disk(path: Path) -> None:
    # Windows flushes only what is open for writing, POSIX opens a directory only for reading.
    descriptor = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, atomically."""
    with replacing(path) as partial:
        partial.write_bytes(text.encode())


def write_json(path: Path, content: object) -> None:
    """Write ``content`` as JSON, atomically; the order of keys is kept, see `plain` for what is accepted."""
    write_text(path, json.dumps(plain(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read what `write_json` wrote.

    Raises:
        RunError: the file is missing, unreadable or not JSON, or a link that leads out of its folder.
    """
    try:
        check_regular(path)
        return json.loads(path.read_bytes(), parse_constant=_refuse_constant)
    except FileNotFoundError:
        raise RunError(f"{path} does not exist") from None
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise RunError(f"{path} is damaged, it is not JSON: {error}") from error
    except RecursionError as error:
        raise RunError(f"{path} is damaged, it is not JSON of ours: it is nested too deeply") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def check_regular(path: Path) -> None:
    """Refuse what may never end (a pipe, a device), and links to files of other folders, which nothing here makes."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise RunError(f"cannot read {path}: it is not a file")
    if path.is_symlink() and path.resolve().parent != path.parent.resolve():
        raise RunError(f"{path} is a link that leads out of its folder; put the file itself there")


def plain(value: Any) -> Any:
    """Turn a value into what JSON knows: arrays and tensors into lists, paths into text, NaN and ±inf into None.

    JSON has no NaN, and a score that does not exist (an AUROC of one class) must not end a long run.

    >>> plain({"loss": float("nan"), 3: (1, 2.5), "file": Path("a.csv")})
    {'loss': None, '3': [1, 2.5], 'file': 'a.csv'}
    """
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):  # numpy scalars and arrays, torch tensors; without importing either
        return plain(value.tolist())
    raise TypeError(f"JSON cannot hold {value!r} of type {type(value).__name__}")


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every key with its path.

    >>> dict(flatten({"trainer": {"batch_size": 64}, "seed": 0}))
    {'trainer.batch_size': 64, 'seed': 0}
    """
    for key, value in values.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def append_record(path: Path, record: Mapping[str, Any]) -> None:
    """Append one JSON object as one line and flush it.

    A line left unfinished by a killed process is closed first, so that it damages nothing but itself.
    """
    line = json.dumps(plain(record), ensure_ascii=False, allow_nan=False).encode() + b"\n"
    try:
        with path.open("a+b") as file:
            if file.seek(0, os.SEEK_END) > 0:
                file.seek(-1, os.SEEK_END)
                line = line if file.read(1) == b"\n" else b"\n" + line
            file.write(line)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error


def read_records(path: Path) -> list[dict[str, Any]]:
    """Read what `append_record` wrote; lines that a killed process left unfinished are passed over."""
    records = []
    try:
        for line in path.read_bytes().splitlines():
            try:
                records.append(json.loads(line))
            except ValueError:
                continue
    except FileNotFoundError:
        raise RunError(f"{path} does not exist") from None
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror or error}") from error
    return records


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table atomically: UTF-8, commas, one line a row, None as an empty cell, text guarded by `guard_cell`."""
    with replacing(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([guard_cell(name) for name in header])
        for row in rows:
            writer.writerow([guard_cell(cell) if isinstance(cell, str) else cell for cell in row])


def guard_cell(text: str) -> str:
    """Keep a spreadsheet from running text out of a data file as a formula: an apostrophe goes before it.

    >>> guard_cell("=cmd()"), guard_cell("-1.5e3"), guard_cell("TP53"), guard_cell("-AS1")
    ("'=cmd()", '-1.5e3', 'TP53', "'-AS1")
    """
    if not text.startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text
