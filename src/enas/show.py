"""``enas show RUN``: what a run, or a cross-validation, found, in a screenful."""

import csv
from pathlib import Path

from enas.cross_validation.place import is_place, open_place
from enas.cross_validation.result import JUDGED, read_result
from enas.files import read_json
from enas.metrics.text import align
from enas.printable import printable
from enas.run import Run
from enas.runs import open_run
from enas.warned import FILE as WARNINGS
from enas.warned import read_warnings

_COLUMNS = ("rank", "architecture", "shared_weight_score", "retrained_score", "share_of_model")


def show_run(path: Path) -> str:
    """Leaderboard of the retrained candidates, metrics, warnings and files of a run, as text.

    Raises:
        RunError: there is no run at ``path``, or it is damaged.
    """
    if is_place(path):
        return show_cross_validation(path)
    run = open_run(path)
    parts = [f"run {run.path}\ncreated {run.created:%Y-%m-%d %H:%M:%S}"]
    if run.finished:
        best = read_json(run.best_architecture)
        parts.append(f"best architecture {best['text']}: {best['description']}")
        parts.append(f"{best['held_out']['figure']} {best['held_out']['rows']}")
        parts.append(_leaderboard(run))
    elif run.best_architecture.is_file():
        found = read_json(run.best_architecture)
        parts.append(f"searched, not trained: {found['text']}: {found['description']}")
    else:
        parts.append("training did not come to its end")
    evaluation = run.output_files / "evaluation.json"
    if evaluation.is_file():
        parts.append(f"evaluation: {read_json(evaluation)['headline']}")
    if warnings := read_warnings(run.path / WARNINGS):
        parts.append("warnings\n" + "\n".join(f"  {printable(text)}" for text in warnings))
    files = sorted(file for file in run.path.rglob("*") if file.is_file() and not file.name.startswith("."))
    parts.append("files\n" + "\n".join(f"  {file.relative_to(run.path)}" for file in files))
    return "\n\n".join(parts)


def show_cross_validation(path: Path) -> str:
    """The table of a cross-validation, or how far it has come.

    Raises:
        RunError: it is damaged.
    """
    place = open_place(path)
    head = f"cross-validation {place.path}\ncreated {place.created:%Y-%m-%d %H:%M:%S}"
    if place.result.is_file():
        return f"{head}\n\n{read_result(place.path).to_text()}"
    n_done = len([*place.path.glob(f"*/{JUDGED}")])
    return f"{head}\n\n{n_done} of {place.folds * place.repeats} folds are done; enas cv CONFIG --resume goes on"


def _leaderboard(run: Run) -> str:
    with run.leaderboard.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["retrained_score"]]
    shortened = [[_short(row[column]) for column in _COLUMNS] for row in rows]
    return align([[column.replace("_", " ") for column in _COLUMNS], *shortened])


def _short(cell: str) -> str:
    return f"{float(cell):.4g}" if "." in cell else cell
