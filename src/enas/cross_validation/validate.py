"""``enas cv``: the whole pipeline anew in every fold of every repeat; stopped anywhere, it goes on."""

import shlex
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from enas.config import Config, ImageConfig
from enas.cross_validation.agree import check_place
from enas.cross_validation.division import INNER, Fold, check_numbers, divide
from enas.cross_validation.fold import Done, Pipeline
from enas.cross_validation.place import FOLDS, REPEATS, Place, create_place, find_place
from enas.cross_validation.result import FIGURES, CrossValidation, is_done, read_fold
from enas.cross_validation.rows import TrainingRows, open_rows
from enas.cross_validation.tables import write_tables
from enas.cross_validation.workers import run_here, run_in_workers, threads_per_fold
from enas.device import choose_device
from enas.errors import RunError
from enas.interrupts import Interrupted
from enas.progress import Progress, show_seconds
from enas.resume import check_data


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked for.

    Args:
        config: all settings.
        origin: the config as words of a command line, if it is a file.
        folds, repeats: how many; None: five and three, or those of what is resumed.
        jobs: processes that work at the same time.
        resume: the directory to go on in; True: the newest unfinished one; False: a new one.
    """

    config: Config | ImageConfig
    origin: str | None
    folds: int | None
    repeats: int | None
    jobs: int
    resume: bool | str | Path


def cross_validate(demand: Demand, progress: Progress) -> CrossValidation:
    """Do all folds that are not done yet, then put them together.

    Raises: as `enas.automl.Auto.cross_validate`.
    """
    place, config = None, demand.config
    folds = FOLDS if demand.folds is None else demand.folds
    repeats = REPEATS if demand.repeats is None else demand.repeats
    check_numbers(folds, repeats, demand.jobs)
    facts = {"seed": config.seed, "device": choose_device(config.device), "n_threads": threads_per_fold()}
    if demand.resume:
        place = find_place(config, demand.resume)
        check_place(place, config, demand.folds, demand.repeats, facts, progress)
        folds, repeats = place.folds, place.repeats
    data = open_rows(config, progress)
    divided = _divide(data, config, folds, repeats)
    if place:
        check_data(place.record, data.facts)
    place = place or create_place(config, folds, repeats, facts, data.facts)
    with _told_how_to_resume(place, demand), place.record.lock():
        _run_folds(place, demand, data, divided, progress)
        return _put_together(place, data, divided)


def _divide(data: TrainingRows, config: Config | ImageConfig, folds: int, repeats: int) -> tuple[Fold, ...]:
    target = data.samples.target
    assert target is not None, "training rows have a target"
    least = 1 if data.has_validation else INNER
    return divide(target, data.groups, folds=folds, repeats=repeats, seed=config.seed, least=least)


def _run_folds(place: Place, demand: Demand, data: TrainingRows, folds: tuple[Fold, ...], progress: Progress) -> None:
    left = [fold for fold in folds if not is_done(place.path, fold)]
    progress.line(f"----------Cross-validation in {place.path}: {len(left)} of {len(folds)} folds to be done")
    if not left:
        return
    tally = Tally(len(left), progress)
    pipeline = Pipeline(demand.config, place.path)
    if demand.jobs == 1:
        run_here(pipeline, data, left, tally.tell, progress)
    else:
        run_in_workers(pipeline, left, tally.tell, demand.jobs)


def _put_together(place: Place, data: TrainingRows, folds: tuple[Fold, ...]) -> CrossValidation:
    """Every file of the result; the one that marks a finished cross-validation, last."""
    samples = data.samples
    found = tuple(read_fold(place.path, fold) for fold in folds)
    n_samples = sum(fold.n_held_out for fold in found) // place.repeats
    result = CrossValidation(place.path, place.folds, place.repeats, n_samples, samples.noun, found)
    write_tables(result, samples, folds)
    result.write()
    return result


@dataclass(slots=True)
class Tally:
    """Tells of folds as they are done.

    Args:
        n: how many are to be done.
        progress: where lines go.
        clock: seconds from any fixed moment.
    """

    n: int
    progress: Progress
    clock: Callable[[], float] = time.monotonic
    _n_done: int = field(default=0, init=False)
    _start: float = field(init=False)
    _warned: set[str] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        self._start = self.clock()

    def tell(self, done: Done) -> None:
        """One line per fold, with the time that is left; each warning once."""
        self._n_done += 1
        fold, n_left = done.result, self.n - self._n_done
        where = f"repeat {fold.repeat}, fold {fold.fold}"
        name, value = next(iter(fold.metrics.items()))
        left = show_seconds((self.clock() - self._start) / self._n_done * n_left)
        self.progress.line(
            f"{where}: {FIGURES[name]} {value:.3f} on {fold.n_held_out} held out, {fold.architecture}, "
            f"{show_seconds(done.seconds)}; {self._n_done} of {self.n} done{f', {left} left' if n_left else ''}"
        )
        for text in done.warnings:
            if text not in self._warned:
                self._warned.add(text)
                self.progress.warn(f"{where}: {text}")


@contextmanager
def _told_how_to_resume(place: Place, demand: Demand) -> Iterator[None]:
    """What stops the work says how to go on: a mean without some folds would be another one."""
    if demand.origin:
        jobs = f" --jobs {demand.jobs}" if demand.jobs > 1 else ""
        how = f"go on with: enas cv {demand.origin} --resume {shlex.quote(str(place.path))}{jobs}"
    else:
        how = f"go on with: cross_validate(resume={str(place.path)!r}, jobs={demand.jobs})"
    try:
        yield
    except KeyboardInterrupt as stop:
        number = stop.number if isinstance(stop, Interrupted) else signal.SIGINT
        raise Interrupted(number, f"stopped; what is done is kept, {how}") from None
    except RunError as error:
        raise RunError(f"{error}; without every fold there is no result; when that is mended, {how}") from error
