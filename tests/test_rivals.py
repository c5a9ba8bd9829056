"""Random architectures beside the searched ones: drawn fairly, retrained alike, and without a say in the model."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import torch

from enas.automl import Auto
from enas.console import Silent
from enas.deadline import Deadline
from enas.families.source import Ready
from enas.fit import Fit, Fitted
from enas.journal import Journal
from enas.retrain import Candidate
from enas.rivals import draw_random, rank_correlation
from enas.scored import Scored
from enas.search_space import Architecture, DenseSpace, MicroSpace

OpenAuto = Callable[..., Auto]
SETTINGS = ("trainer.top_k_candidates=2", "controller.train_steps=2", "compare_with_random=true")


def ready_for(open_auto: OpenAuto, *overrides: str) -> Ready:
    return open_auto(*SETTINGS, *overrides)._source.prepare()


def fit(ready: Ready, records: list[dict[str, object]] | None = None) -> Fitted:
    kept = [] if records is None else records
    journal = Journal(Silent(), 1000, ready.family.randomness, lambda row: kept.append(dict(row)))
    return Fit(ready.family, ready.recipe, journal).run()


@pytest.mark.parametrize("space", [DenseSpace(3, (16, 32, 64), (5, None)), MicroSpace(2)], ids=["dense", "micro"])
def test_they_are_distinct_and_of_the_space(space: DenseSpace | MicroSpace) -> None:
    drawn = draw_random(space, 200, torch.Generator().manual_seed(0))
    assert len(set(drawn)) == len(drawn) == 200
    for one in drawn:
        space.validate(one)
    assert drawn == draw_random(space, 200, torch.Generator().manual_seed(0))


def test_every_architecture_is_as_likely_as_any_other() -> None:
    """Of 48, one is drawn at a time; chi-square with 47 degrees of freedom is below 82 in 999 of 1,000 cases."""
    space, generator = DenseSpace(2, (16, 32, 64, 128), (5, 10, None)), torch.Generator().manual_seed(0)
    n, n_all = 4800, space.n_architectures
    counts = Counter(draw_random(space, 1, generator)[0] for _ in range(n))
    assert len(counts) == n_all
    assert sum((count - n / n_all) ** 2 / (n / n_all) for count in counts.values()) < n_all + 4 * (2 * n_all) ** 0.5


def test_the_model_is_the_same_with_and_without_them(open_auto: OpenAuto) -> None:
    records: list[dict[str, object]] = []
    compared, alone = fit(ready_for(open_auto), records), fit(ready_for(open_auto, "compare_with_random=false"))
    assert alone.rivals is None
    assert compared.rivals is not None
    assert np.array_equal(compared.held_out, alone.held_out)
    assert [one.architecture for one in compared.candidates] == [one.architecture for one in alone.candidates]
    assert len(compared.rivals.candidates) == 2
    assert compared.search is not None
    assert compared.rivals.n_scored == len(compared.search.derived)
    assert Counter(row["stage"] for row in records)["retrain_random"] == 2 * len(compared.candidates[0].outputs)


def test_a_rival_that_is_the_searched_one_comes_out_the_same(open_auto: OpenAuto) -> None:
    """Of the five architectures of this space both sides score all, and both rounds begin with the same numbers."""
    fitted = fit(ready_for(open_auto, "trainer.child_num_layers=1", "preprocessing.screen=all"))
    assert fitted.rivals is not None
    assert fitted.search is not None
    assert fitted.rivals.n_scored == len(fitted.search.derived) == 5
    for ours, theirs in zip(fitted.candidates, fitted.rivals.candidates, strict=True):
        assert ours.architecture == theirs.architecture
        assert np.array_equal(ours.outputs, theirs.outputs)
    assert np.array_equal(fitted.held_out, fitted.rivals.held_out)


def test_little_time_leaves_them_out(open_auto: OpenAuto) -> None:
    ready, now = ready_for(open_auto), 0.0

    def clock() -> float:
        nonlocal now
        now += 1.0
        return now

    journal = Journal(Silent(), 1000, ready.family.randomness, deadline=Deadline(100, clock=clock))
    fitted = Fit(ready.family, ready.recipe, journal).run()
    assert fitted.candidates
    assert fitted.rivals is None


def test_a_given_architecture_has_no_rivals(open_auto: OpenAuto) -> None:
    ready = ready_for(open_auto, "preprocessing.screen=all")
    given = Architecture.from_text("0 0 0 0 0 0")
    journal = Journal(Silent(), 1000, ready.family.randomness)
    assert Fit(ready.family, ready.recipe, journal, given).run().rivals is None


def judged(rewards: list[float]) -> tuple[list[Scored], list[Candidate]]:
    architectures = [Architecture((i,)) for i in range(len(rewards))]
    scored = [Scored(one, i / 10, 0.0) for i, one in enumerate(architectures)]
    outputs = np.zeros((1, 1, 2), np.float32)
    return scored, [Candidate(a, outputs, 0, r, 0.0, {}, 0) for a, r in zip(architectures, rewards, strict=True)]


@pytest.mark.parametrize(
    ("rewards", "tau"),
    [
        ([0.1, 0.2, 0.3], 1.0),
        ([0.3, 0.2, 0.1], -1.0),
        ([0.1, 0.3, 0.2, 0.4], 2 / 3),
        ([0.5, 0.5, 0.5], None),
        ([0.1, 0.2], None),
    ],
)
def test_rank_correlation(rewards: list[float], tau: float | None) -> None:
    assert rank_correlation(*judged(rewards)) == (tau if tau is None else pytest.approx(tau))
