"""Which run is taken up again, and whether it still is the same run: config, data, versions, device."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from enas.checkpoint import State
from enas.config import Config, ImageConfig
from enas.errors import RunError
from enas.files import flatten, read_json
from enas.progress import Progress
from enas.run import Run
from enas.runs import describe_environment, latest_unfinished_run, open_run

GROWING = {
    "trainer.max_number_of_epoches_in_search",
    "trainer.max_number_of_epoches_in_fixed",
    "trainer.top_k_candidates",
    "trainer.num_epochs",
    "retrain.num_epochs",
}
"""Keys that may be raised: the run goes on to the new number."""
GROWING_IN_SEARCH = {"trainer.max_number_of_epoches_in_search", "trainer.num_epochs"}
"""Those of them that come too late when the search is over."""

FREE = (
    "trainer.save_dir",
    "trainer.output_dir",
    "trainer.log_every_n_steps",
    "trainer.test_data_dir",
    "time_limit",
    "max_memory",
    "checkpoint_seconds",
    "checkpoint_epochs",
    "mlflow",
    "input_fn",
    "data_evaluate",
    "data_predict",
    "evaluator",
    "predictor",
    "explainer",
)
"""Keys and sections that say nothing about what is searched and trained."""

DECISIVE = ("enas", "torch")
"""Packages on whose version the numbers depend to the last bit."""


def find_run(config: Config | ImageConfig, resume: bool | str | Path, command: str) -> Run:
    """The run to be resumed.

    Args:
        config: names it.
        resume: its directory; True: the newest unfinished one of that name.
        command: that is to go on: run, train or search.

    Raises:
        RunError: there is none, or another command began it.
    """
    if isinstance(resume, bool):
        run = latest_unfinished_run(config.trainer.save_dir, config.name)
    else:
        run = open_run(Path(resume))
    with readable(run.steps):
        begun_by = run.plan()["command"]
    if begun_by != command:
        raise RunError(f"{run.path} was begun by `enas {begun_by}`; resume it by that command, not by `enas {command}`")
    return run


def check_config(run: Run, config: Config | ImageConfig) -> list[str]:
    """Compare a config with the run's; returns the keys that have grown.

    Raises:
        RunError: it differs in what decides the result; the message names each such key.
    """
    with readable(run.config):
        before, now = (dict(flatten(values)) for values in (read_json(run.config), config.model_dump(mode="json")))
    changed = [key for key in sorted(before.keys() | now.keys()) if before.get(key) != now.get(key)]
    changed = [key for key in changed if not key.startswith(FREE)]
    grown = [key for key in changed if key in GROWING and _is_more(before.get(key), now.get(key))]
    if wrong := [f"{key} was {before.get(key)!r} and is {now.get(key)!r}" for key in changed if key not in grown]:
        raise RunError(
            f"{run.path} cannot be resumed with another config: {'; '.join(wrong[:5])}. Only numbers of epochs and of "
            "candidates may grow, and time_limit may change; for all else begin a new run, without --resume"
        )
    return grown


def check_data(run: Run, facts: Mapping[str, Any]) -> None:
    """Compare the data with those that the run began with.

    Raises:
        RunError: they have changed; the message names the files or says how many samples differ.
    """
    with readable(run.data):
        before = read_json(run.data)["data_train"]
        differing = [*_changed_files(before, facts)] or [*_changed_samples(before, facts)]
    if differing:
        raise RunError(
            f"{run.path} cannot be resumed: the training data have changed since it began ({', '.join(differing[:5])})"
            "; put the old data back, or begin a new run, without --resume"
        )


def _changed_files(before: Mapping[str, Any], facts: Mapping[str, Any]) -> Iterator[str]:
    """Files whose content, and folders whose number of images, is another."""
    for kind in ("files", "folders"):
        known, now = dict(before.get(kind, {})), dict(facts.get(kind, {}))
        yield from (name for name in sorted(known.keys() | now.keys()) if known.get(name) != now.get(name))


def _changed_samples(before: Mapping[str, Any], facts: Mapping[str, Any]) -> Iterator[str]:
    """In words: how many are new or gone."""
    known, now = before["row_hashes"], facts["row_hashes"]
    if known != now:
        n_changed = max(len(set(known) - set(now)), len(set(now) - set(known)))
        yield f"{n_changed} sample{'s' if n_changed > 1 else ''}" if n_changed else "the order of samples"


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """A note of the run's that is missing or damaged ends in one message, whatever it holds."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RunError(f"{path} is damaged: it is not what a run notes there; begin a new run") from error
    except RunError as error:
        raise RunError(f"{error}; put it back as it was, or begin a new run, without --resume") from error


def check_environment(run: Run, facts: Mapping[str, Any], progress: Progress, note: Path | None = None) -> None:
    """Compare versions and machine with those that the run began with; warns of what changes last digits only.

    Args:
        run: to be resumed.
        facts: device and number of threads now.
        progress: takes the warnings.
        note: the file that tells of the beginning; None: the run's.

    Raises:
        RunError: another enas, another torch, another device.
    """
    now = describe_environment(run.created) | dict(facts)
    note = note or run.environment
    with readable(note):
        differences = [*_differences(read_json(note), now)]
    for what, old, new in differences:
        if what in (*DECISIVE, "device"):
            raise RunError(
                f"{run.path} cannot be resumed: it began with {what} {old}, and this is {what} {new}; go back to that, "
                "or begin a new run, without --resume"
            )
        progress.warn(
            f"the run began with {what} {old}, and this is {what} {new}: results may differ from an uninterrupted run's"
        )


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[tuple[str, object, object]]:
    for package, version in now["versions"].items():
        if before.get("versions", {}).get(package) != version:
            yield package, before.get("versions", {}).get(package), version
    for what in ("device", "n_threads"):
        if before.get(what) != now[what]:
            yield what, before.get(what), now[what]


def check_growth(grown: Sequence[str], state: State) -> None:
    """Refuse more epochs of a search that is over.

    Raises:
        RunError: it is.
    """
    late = sorted(GROWING_IN_SEARCH & set(grown))
    if late and ("found" in state or state["search"]["drawn"].tensors):  # architectures to derive from are drawn
        raise RunError(f"{late[0]} cannot grow any more: the search is over; begin a new run, without --resume")


def _is_more(before: object, now: object) -> bool:
    return isinstance(before, int) and isinstance(now, int) and now > before
