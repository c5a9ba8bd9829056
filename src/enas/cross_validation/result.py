"""What cross-validation found: every fold, the mean over folds, and words that promise no more than that."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import inf, isnan, nan
from pathlib import Path
from typing import Any

from enas.cross_validation.division import Fold
from enas.cross_validation.interval import Summary, summarize
from enas.cross_validation.place import RESULT
from enas.errors import RunError
from enas.files import read_json, write_json
from enas.metrics.classification import HEADLINE
from enas.metrics.text import align

JUDGED = "held_out.json"
"""Scores on the held-out rows; written last, so that a fold that has it is done."""
CLASSIFICATION = HEADLINE
REGRESSION = {"r2": "R²", "rmse": "RMSE", "mae": "MAE", "spearman": "Spearman"}
FIGURES = {**CLASSIFICATION, **REGRESSION}
"""Metrics and how the log calls them; of classes or of numbers."""

BOUNDS = {"log_loss": (0, inf), "r2": (-inf, 1), "rmse": (0, inf), "mae": (0, inf), "spearman": (-1, 1)}
"""What a metric cannot leave; the others lie between 0 and 1."""

INTERVAL = "95 % interval of the mean, corrected for training rows that folds share (Nadeau and Bengio 2003)"


@dataclass(frozen=True, slots=True)
class FoldResult:
    """What a fold gave.

    Args:
        repeat, fold: from 1.
        seed: of its pipeline.
        n_train, n_held_out: rows.
        n_twins: held-out rows that equal a training row in every value.
        architecture, description: the best one, as text.
        metrics: of the held-out rows, by the keys of `FIGURES`; NaN where undefined.
    """

    repeat: int
    fold: int
    seed: int
    n_train: int
    n_held_out: int
    n_twins: int
    architecture: str
    description: str
    metrics: Mapping[str, float]


def is_done(folder: Path, fold: Fold) -> bool:
    """Whether its held-out rows have been judged."""
    return (folder / fold.folder / JUDGED).is_file()


def read_fold(folder: Path, fold: Fold) -> FoldResult:
    """What a fold that is done gave.

    Raises:
        RunError: its file is damaged.
    """
    path = folder / fold.folder / JUDGED
    try:
        kept = read_json(path)
        return FoldResult(
            repeat=fold.repeat,
            fold=fold.number,
            seed=fold.seed,
            n_train=int(kept["n_train"]),
            n_held_out=int(kept["n_held_out"]),
            n_twins=int(kept["n_twins"]),
            architecture=str(kept["architecture"]),
            description=str(kept["description"]),
            metrics=_numbers(kept["figures"]),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RunError(f"{path} is damaged; delete it to have the fold judged again") from error


@dataclass(frozen=True, slots=True, eq=False)
class CrossValidation:
    """The result of a repeated cross-validation.

    Args:
        path: its directory.
        n_folds, n_repeats: how many.
        n_samples: rows that were divided; each was held out once in every repeat.
        noun: what a row is called, plural.
        folds: repeat by repeat.
    """

    path: Path
    n_folds: int
    n_repeats: int
    n_samples: int
    noun: str
    folds: tuple[FoldResult, ...]

    @property
    def summary(self) -> dict[str, Summary]:
        """Mean, standard deviation and interval by metric."""
        ratio = sum(fold.n_held_out / fold.n_train for fold in self.folds) / len(self.folds)
        return {
            name: summarize([fold.metrics[name] for fold in self.folds], ratio, bounds=BOUNDS.get(name, (0, 1)))
            for name in self.folds[0].metrics
        }

    @property
    def headline(self) -> str:
        """The main figure, and which rows it stands for."""
        name, main = next(iter(self.summary.items()))
        figure = f"{FIGURES[name]} {_show(main.mean)} ± {_show(main.sd)}, {_range(main)}"
        return f"{figure} ({self.n_folds} folds × {self.n_repeats} repeats)"

    @property
    def rows(self) -> str:
        """What the figures rest on."""
        n_twins = sum(fold.n_twins for fold in self.folds)
        times = f"{self.n_repeats} times" if self.n_repeats > 1 else "once"
        by = f"each of the {self.n_samples:,} {self.noun} was judged {times}, by models that had not seen it"
        if not n_twins:
            return by
        return f"{by}, but {n_twins:,} of these judgements are of {self.noun} that equal one trained on"

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know, one sentence each."""
        return (*_undefined(self.folds), *_flat(self.summary))

    def to_text(self) -> str:
        """A line per fold, mean, standard deviation and interval, and the architectures."""
        names = list(self.folds[0].metrics)
        body = [
            [str(fold.repeat), str(fold.fold), *(_show(fold.metrics[name]) for name in names)] for fold in self.folds
        ]
        found = self.summary
        below = [
            [label, "", *(_show(getattr(found[name], part)) for name in names)]
            for label, part in (("mean", "mean"), ("sd", "sd"), ("from", "low"), ("to", "high"))
        ]
        table = align([["repeat", "fold", *(FIGURES[name] for name in names)], *body, *below])
        notes = [f"from … to: {INTERVAL}", *self.notes]
        return "\n".join(
            [table, *(f"note: {note}" for note in notes), "", *self._architectures(), "", self.headline, self.rows]
        )

    def _architectures(self) -> list[str]:
        """Each, and how many folds chose it."""
        counts = Counter((fold.architecture, fold.description) for fold in self.folds)
        return ["architectures by the number of folds that chose them"] + [
            f"  {n} × {architecture}: {description}" for (architecture, description), n in counts.most_common()
        ]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; an undefined metric is null. It is the same for the same data, config and numbers of folds."""
        return {
            "n_folds": self.n_folds,
            "n_repeats": self.n_repeats,
            "n_samples": self.n_samples,
            "noun": self.noun,
            "headline": self.headline,
            "rows": self.rows,
            "interval": INTERVAL,
            "notes": list(self.notes),
            "summary": {name: asdict(summary) for name, summary in self.summary.items()},
            "folds": [{**asdict(fold), "metrics": dict(fold.metrics)} for fold in self.folds],
        }

    def write(self) -> None:
        """Write ``cv.json``."""
        write_json(self.path / RESULT, self.to_json())


def read_result(path: Path) -> CrossValidation:
    """Read what `CrossValidation.write` wrote.

    Raises:
        RunError: there is none at ``path``, or it is damaged.
    """
    kept = read_json(path / RESULT)
    try:
        folds = tuple(FoldResult(**{**fold, "metrics": _numbers(fold["metrics"])}) for fold in kept["folds"])
        numbers = {key: int(kept[key]) for key in ("n_folds", "n_repeats", "n_samples")}
        result = CrossValidation(path=path, **numbers, noun=str(kept["noun"]), folds=folds)
        result.to_text()
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise RunError(f"{path / RESULT} is damaged; delete it and resume the cross-validation") from error
    return result


def _numbers(values: Mapping[str, float | None]) -> dict[str, float]:
    """Metrics out of a file, each of them known."""
    if not values or not set(values) <= set(FIGURES):
        raise ValueError(f"unknown metrics {sorted(values)}")
    return {name: nan if value is None else float(value) for name, value in values.items()}


def _undefined(folds: Sequence[FoldResult]) -> list[str]:
    """A mean over some of the folds would be one of other rows."""
    n, names = len(folds), list(folds[0].metrics)
    counts = {FIGURES[name]: sum(isnan(fold.metrics[name]) for fold in folds) for name in names}
    return [f"{name} is undefined in {bad} of {n} folds, so it has no mean" for name, bad in counts.items() if bad]


def _flat(summary: Mapping[str, Summary]) -> list[str]:
    """An interval without width is no certainty."""
    names = [FIGURES[name] for name, found in summary.items() if found.sd == 0]
    return [f"the same in every fold, so the interval says nothing: {', '.join(names)}"] if names else []


def _show(value: float) -> str:
    if isnan(value):
        return "undefined"
    return f"{value:.3f}" if abs(value) < 100 else f"{value:.6g}"


def _range(found: Summary) -> str:
    return f"95 % interval of the mean [{_show(found.low)}, {_show(found.high)}]"
