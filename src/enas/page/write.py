"""Puts the sections together and writes the page."""

import base64
import hashlib
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from enas.files import write_text
from enas.page.errors import read_errors
from enas.page.explained import read_explained
from enas.page.facts import read_data, read_reproduction
from enas.page.found import count_words, read_found
from enas.page.honesty import linear_wins, list_honesty
from enas.page.pictures import Album
from enas.page.result import read_headline, read_notes, tabulate_metrics
from enas.page.saved import Saved, read_saved
from enas.page.text import shown
from enas.run import Run, writing
from enas.runs import open_run

FILE = "report.html"
"""In ``output_files``."""
AUGMENTATION = "Training images, and copies of them that are turned, moved or changed a little."


def write_page(run: Run, path: Path | None = None) -> Path:
    """Write the report of a run as one HTML file, from its saved files only; returns its path.

    The page tells no time, so that a run that was killed and resumed has the same page as one that nobody disturbed.

    Args:
        run: finished or not.
        path: where the page goes; None: into the run's ``output_files``.

    Raises:
        RunError: a file of the run is damaged, or the page cannot be written.
    """
    path = path or run.output_files / FILE
    write_text(path, render(read_saved(run)))
    return path


def report_run(folder: Path, path: Path | None = None) -> Path:
    """Write the report of the run in a folder; returns its path.

    Args:
        folder: of the run.
        path: where the page goes, with the run left as it is; None: into the run, as a step of it.

    Raises:
        RunError: as `write_page`, or there is no run, or another process is writing into it.
    """
    run = open_run(folder)
    if path is not None:
        return write_page(run, path)
    with writing(run, "report"):
        return write_page(run)


def render(saved: Saved) -> str:
    """The page.

    Raises:
        RunError: a file of the run is damaged.
    """
    album, headline = Album(), read_headline(saved)
    found, explained = read_found(saved, album), read_explained(saved, album)
    augmentation = album.take(saved.output("enas_augmentation.png"), AUGMENTATION)
    errors = read_errors(saved)
    script = _part("page.js")
    return (
        _environment()
        .get_template("report.html")
        .render(
            name=shown(saved.config.get("name", saved.run.name)),
            kind="images" if saved.is_of_images else "table",
            style=Markup(_part("style.css")),
            script=Markup(script),
            script_hash=_hash(script),
            headline=headline,
            linear_wins=linear_wins(saved, headline),
            metrics=tabulate_metrics(saved),
            notes=read_notes(saved),
            warnings=[shown_warning(text) for text in saved.warnings],
            honesty=list_honesty(saved),
            found=found,
            errors=errors,
            errors_picture=album.take(saved.output(errors.picture), "Drawn by the run.")
            if errors and errors.picture
            else "",
            explained=explained,
            data=read_data(saved),
            augmentation=(augmentation, AUGMENTATION),
            reproduction=read_reproduction(saved),
            left_out=album.left_out,
            count=count_words,
        )
    )


def shown_warning(text: str) -> str:
    """A warning may be longer than a name, but not endless.

    >>> len(shown_warning("x" * 5000))
    1000
    """
    return text if len(text) <= 1000 else f"{text[:999]}…"


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("enas.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _part(name: str) -> str:
    return (files("enas.page") / "templates" / name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    """By which a browser knows the only script that it may run."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
