"""Training as a job: a new run directory, or one that is taken up again; locked, and with a word on how to go on."""

import shlex
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from enas.checkpoint import State, load_checkpoint, taking_up
from enas.config import Config, ImageConfig
from enas.errors import RunError
from enas.families.source import Ready, Trains
from enas.files import write_json
from enas.interrupts import Interrupted
from enas.memory import first_line, is_out_of_memory
from enas.memory_plan import plan_parts
from enas.progress import Progress, show_seconds
from enas.resume import check_config, check_data, check_environment, check_growth, find_run
from enas.run import Run, writing
from enas.runs import create_fold, create_run
from enas.search_space import Architecture, MicroSpace


@dataclass(frozen=True, slots=True)
class Job:
    """What training works on.

    Args:
        run: the directory, locked.
        ready: the data.
        architecture: to be trained without a search; None: search.
        resumed: where the run stood; None: it begins.
    """

    run: Run
    ready: Ready
    architecture: Architecture | None
    resumed: State | None


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for.

    Args:
        config: all settings.
        origin: the config as words of a command line, if it is a file.
        command: run, train or search.
        steps: what the command consists of, training first.
        architecture: to be trained without a search, as text or not; None: what the config says.
        resume: the directory to go on in; True: the newest unfinished run; False: a new one.
        fold: the directory of a fold of a cross-validation, which takes the place of a run's own name; None: no fold.
    """

    config: Config | ImageConfig
    origin: str | None
    command: str
    steps: Sequence[str]
    architecture: str | Architecture | None
    resume: bool | str | Path
    fold: Path | None = None


@contextmanager
def take(order: Order, source: Trains, progress: Progress) -> Iterator[Job]:
    """Read the data, then make the run or take it up again.

    Raises: as `enas.automl.Auto.train`.
    """
    config = order.config
    run = find_run(config, order.resume, order.command) if order.resume else None
    grown = check_config(run, config) if run else []
    given = _given(order, run)
    ready = source.prepare()
    if given:
        ready.family.space.validate(given)
    parts = plan_parts(ready.family, ready.recipe, config.max_memory, given, progress)
    ready = replace(ready, recipe=replace(ready.recipe, n_parts=parts))
    facts = {"device": ready.family.device, "n_threads": torch.get_num_threads()}
    if run:
        check_environment(run, facts, progress)
        check_data(run, ready.facts)
    else:
        run = _create(order, {"seed": config.seed, **facts})
    with _told(run, order), writing(run, order.steps[0]):
        state = _take_up(run, grown, progress) if order.resume else None
        if not order.resume:
            write_json(run.config, config.model_dump(mode="json"))
            write_json(run.data, {"data_train": ready.facts})
        if not order.resume or grown:
            run.begin(order.command, order.steps, str(given) if given else None)
        if grown:  # last: whoever is stopped before it grows again
            write_json(run.config, config.model_dump(mode="json"))
        yield Job(run, ready, given, state)


def _create(order: Order, facts: Mapping[str, Any]) -> Run:
    now = datetime.now()
    if order.fold is None:
        return create_run(order.config.trainer.save_dir, order.config.name, now=now, facts=facts)
    return create_fold(order.fold, now=now, facts=facts)


def _told(run: Run, order: Order) -> AbstractContextManager[None]:
    """A fold is resumed by its cross-validation, which says so."""
    return nullcontext() if order.fold else told_how_to_resume(run, order.command, order.origin)


def _given(order: Order, run: Run | None) -> Architecture | None:
    """The architecture to be trained: of the order, the config or the run. One of images is checked before these."""
    trainer = None if isinstance(order.config, Config) else order.config.trainer
    named = order.architecture or (trainer.child_fixed_arc if trainer else None)
    begun_with = run.plan()["architecture"] if run else None
    named = begun_with if named is None else named
    given = Architecture.from_text(named) if isinstance(named, str) else named
    if run and given and str(given) != begun_with:
        raise RunError(f"{run.path} was begun with {begun_with or 'a search'}, not with {given}; begin a new run")
    if given and trainer:
        MicroSpace(trainer.child_num_cells).validate(given)
    return given


def _take_up(run: Run, grown: Sequence[str], progress: Progress) -> State | None:
    """The last checkpoint, if there is one."""
    state = load_checkpoint(run.checkpoint, progress)
    if state is None:
        progress.line(f"----------Resuming {run.path}: there is no checkpoint yet, so it begins anew")
        return None
    check_growth(grown, state)
    with taking_up():
        elapsed, log = float(state.facts["elapsed"]), state.facts["log"]
        assert isinstance(log, str), "the log is text"
    progress.line(f"----------Resuming {run.path} after {show_seconds(elapsed)} of work")
    return state


_LOST = "nothing is left to go on with; begin a new run, without --resume"


@contextmanager
def told_how_to_resume(run: Run, command: str, origin: str | None) -> Iterator[None]:
    """What stops the work, and is no fault of data or config, says how to go on.

    Args:
        run: that is being worked on.
        command: that began it: run, train or search.
        origin: the config as words of a command line, if it is a file.
    """
    if origin:
        how = f"go on with: enas {command} {origin} --resume {shlex.quote(str(run.path))}"
    else:
        how = f"go on with: {'run_all' if command == 'run' else command}(resume={str(run.path)!r})"
    try:
        yield
    except KeyboardInterrupt as stop:
        number = stop.number if isinstance(stop, Interrupted) else signal.SIGINT
        what = f"what is done is kept, {how}" if run.steps.is_file() else _LOST
        raise Interrupted(number, f"stopped; {what}") from None
    except RunError as error:
        if not isinstance(error.__cause__, OSError):
            raise
        what = f"when that is mended, {how}" if run.steps.is_file() else _LOST
        raise RunError(f"{error}; {what}") from error
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        what = f"with more memory, or with max_memory, {how}"
        raise RunError(f"out of memory ({first_line(error)}); {what}") from error
