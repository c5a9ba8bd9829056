"""The search: it finds a planted optimum, scores as it says, and touches only what an architecture uses."""

import numpy as np
import pytest
import torch
from conftest import Log
from torch import Tensor, nn

from enas.config import ControllerSettings, Trainer
from enas.console import Silent
from enas.controller import Controller
from enas.data.dataset import Target
from enas.data.splits import cross_folds, single_split
from enas.deadline import Deadline
from enas.families.table_learners import Lesson, SharedDense
from enas.folds import Folds, make_folds
from enas.journal import Journal
from enas.metrics.rewards import score
from enas.networks.base import Supernet
from enas.networks.dense import DenseSupernet
from enas.networks.dropout import Dropout
from enas.progress import Progress
from enas.randomness import Randomness
from enas.scored import Scored, choose_candidates
from enas.search import LOWEST_REWARD, N_DERIVED, Search
from enas.search_space import Architecture, DenseSpace
from enas.training import l2_penalty, make_optimizer, network_loss

SPACE = DenseSpace(2, (4, 8, 16))
pytestmark = pytest.mark.usefixtures("one_thread")


class Planted(nn.Module):
    """Classifies the share of rows rightly that an architecture shares with the planted one; x = (sign, rank)."""

    def __init__(self, best: Architecture) -> None:
        super().__init__()
        self.best = best
        self.scale = nn.Parameter(torch.ones(()))

    def forward(
        self,
        x: Tensor,
        architecture: Architecture,
        dropout: Dropout | None = None,
        known: dict[tuple[int, ...], list[Tensor]] | None = None,
    ) -> Tensor:
        pairs = zip(architecture.values, self.best.values, strict=True)
        share = 0.3 + 0.7 * sum(a == b for a, b in pairs) / len(self.best.values)
        sign = torch.where(x[..., 1] < share, x[..., 0], -x[..., 0]) * self.scale
        return torch.stack([-sign, sign], dim=-1)

    def slices(self, architecture: Architecture) -> dict[str, Tensor]:
        return {"scale": self.scale}


def separable(n: int = 48, n_folds: int = 4) -> Folds:
    """Two classes; the first coordinate is the label's sign, the second the row's rank in (0, 1)."""
    target = Target(("y",), np.arange(n) % 2, ("a", "b"))
    x = np.stack([2.0 * target.values - 1, (np.arange(n) + 0.5) / n], axis=1).astype(np.float32)
    splits = cross_folds(target, n_folds, seed=0) if n_folds else (single_split(target, 0.25, seed=0),)
    return make_folds([[x]] * len(splits), target, splits, stem=lambda architecture: 0)


def make_search(
    folds: Folds,
    supernet: Supernet,
    space: DenseSpace,
    *,
    n_epochs: int,
    seed: int = 0,
    train_steps: int = 2,
    seconds: float | None = None,
    progress: Progress | None = None,
) -> tuple[Search, list[dict[str, object]]]:
    generator = torch.Generator().manual_seed(seed)
    records: list[dict[str, object]] = []
    trainer = Trainer(max_number_of_epoches_in_search=n_epochs, batch_size=16)
    lesson = Lesson(
        folds=folds,
        batch_size=trainer.batch_size,
        loss=trainer.loss,
        dropout=Dropout(trainer.child_keep_prob, generator) if trainer.child_keep_prob < 1 else None,
        l2=trainer.child_l2_reg,
        generator=generator,
    )
    optimizer = make_optimizer(supernet.parameters(), lr=trainer.child_lr, l2=0.0)
    search = Search(
        learner=SharedDense(supernet, lesson, optimizer, trainer.child_lr),
        controller=Controller(space, tanh_constant=1.5, generator=generator),
        folds=folds,
        settings=ControllerSettings(train_steps=train_steps),
        reward="accuracy",
        n_epochs=trainer.max_number_of_epoches_in_search,
        n_judges=trainer.batch_size,
        generator=generator,
        journal=Journal(
            progress or Silent(),
            trainer.log_every_n_steps,
            Randomness((generator,)),
            record=lambda row: records.append(dict(row)),
            deadline=Deadline(seconds, clock=lambda: float(len(records))),
        ),
    )
    return search, records


def dense_supernet(folds: Folds, space: DenseSpace = SPACE) -> DenseSupernet:
    generator = torch.Generator().manual_seed(3)
    return DenseSupernet(
        space=space, n_networks=folds.n_folds, n_inputs=folds.n_inputs, n_outputs=2, generator=generator
    )


@pytest.mark.parametrize("seed", [0, 1])
def test_a_planted_optimum_is_found_and_the_policy_comes_to_prefer_it(seed: int) -> None:
    space, best = DenseSpace(3, (4, 8, 16)), Architecture((2, 0, 1, 1, 1, 0))
    search, records = make_search(separable(), Planted(best), space, n_epochs=12, seed=seed, train_steps=15)
    before = float(search.controller.evaluate([best]).log_prob.detach().exp())
    found = search.run()
    assert found.derived[0].architecture == best
    assert found.derived[0].reward == 1.0
    assert float(search.controller.evaluate([best]).log_prob.detach().exp()) > 4 * before
    rewards = [float(str(row["reward"])) for row in records]
    assert np.mean(rewards[-3:]) > np.mean(rewards[:3]) + 0.1


def test_derived_architectures_are_distinct_and_best_first() -> None:
    folds = separable()
    search, records = make_search(folds, dense_supernet(folds), SPACE, n_epochs=2)
    derived = search.run().derived
    assert len({one.architecture for one in derived}) == len(derived) <= N_DERIVED
    assert [(one.reward, one.tie) for one in derived] == sorted(((d.reward, d.tie) for d in derived), reverse=True)
    assert [row["epoch"] for row in records] == [0, 1]
    for one in derived:
        SPACE.validate(one.architecture)


@pytest.mark.parametrize("n_folds", [0, 4])
def test_a_score_is_that_of_all_held_out_rows_with_the_folds_own_weights(n_folds: int) -> None:
    folds = separable(n_folds=n_folds)
    net = dense_supernet(folds)
    search, _ = make_search(folds, net, SPACE, n_epochs=3)
    for one in search.run().derived[:5]:
        with torch.no_grad():
            outputs = net(folds.inputs[0], one.architecture)  # every fold on every row
        logits, labels = [], []
        for fold in range(folds.n_folds):
            for row in folds.held_out[fold][folds.held_out_mask[fold]].tolist():
                assert row not in folds.train[fold].tolist()
                logits.append(outputs[fold, row].numpy())
                labels.append(int(folds.labels[row]))
        assert one.reward == pytest.approx(score("accuracy", np.stack(logits), np.array(labels)))
        assert one.tie == pytest.approx(score("neg_log_loss", np.stack(logits), np.array(labels)), rel=1e-4)


@pytest.mark.parametrize("scale", [1e6, float("nan")])
def test_a_diverged_network_gets_the_lowest_reward_and_no_less(scale: float) -> None:
    folds, net = separable(), Planted(Architecture((2, 1, 1)))
    search, _ = make_search(folds, net, SPACE, n_epochs=1)
    search.reward = "neg_log_loss"
    with torch.no_grad():
        net.scale.fill_(scale)
    (scored,) = search.score([Architecture((0, 0, 0))], folds)
    assert scored.reward == LOWEST_REWARD


def test_the_controller_learns_only_every_so_many_epochs() -> None:
    folds = separable()
    search, records = make_search(folds, dense_supernet(folds), SPACE, n_epochs=5)
    search.train_every = 2
    search.run()
    assert ["reward" in row for row in records] == [False, True, False, True, False]


def test_every_lesson_tells_its_reward_its_pace_and_the_time_left(log: Log) -> None:
    """Also where it is shorter than the steps between two lines; the last one ends the search."""
    folds = separable()
    search, records = make_search(folds, dense_supernet(folds), SPACE, n_epochs=4, progress=log)
    search.run()
    lessons = [line.split("\t") for line in log.lines if line.startswith("controller step")]
    assert [step for step, *_ in lessons] == ["controller step: 2"] * 4
    for (_, rate, reward, baseline, left), row in zip(lessons, records, strict=True):
        assert int(rate.removeprefix("sample/sec: ")) > 0
        assert reward == f"reward: {row['reward']:.4f}"
        assert baseline == f"baseline: {row['baseline']:.4f}"
        assert left.startswith("left: ")
    assert lessons[-1][-1] == "left: 0.0 s"


def test_training_the_shared_weights_lowers_their_loss() -> None:
    folds = separable()
    search, records = make_search(folds, dense_supernet(folds), SPACE, n_epochs=40)
    found = search.run()
    assert float(str(records[0]["child_loss"])) == pytest.approx(np.log(2), rel=0.1)
    assert float(str(records[-1]["child_loss"])) < 0.4
    assert found.derived[0].reward == 1.0
    assert found.n_skipped == 0


def test_the_search_stops_when_time_is_up_and_still_derives() -> None:
    folds = separable()
    # a clock that tells a second per epoch; 0.8 of 5 seconds are for the epochs
    search, records = make_search(folds, dense_supernet(folds), SPACE, n_epochs=50, seconds=5)
    assert search.run().derived
    assert len(records) == 4


def test_a_large_single_split_rewards_on_one_minibatch_and_derives_on_all_rows() -> None:
    folds = separable(200, n_folds=0)
    search, _ = make_search(folds, dense_supernet(folds), SPACE, n_epochs=1)
    assert len(search._judges().judged) == 16
    assert search._judges().judged.tolist() != search._judges().judged.tolist()
    assert len(folds.judged) == 50


def test_a_step_updates_only_the_part_that_its_architecture_uses() -> None:
    folds = separable()
    net, narrow = dense_supernet(folds), Architecture((0, 0, 0))
    trainer = Trainer()
    optimizer = make_optimizer(net.parameters(), lr=trainer.child_lr, l2=0.0)
    unused = net.weights[1].detach()[:, 4:, 4:].clone()
    for rows in folds.batches(16, 4, torch.Generator().manual_seed(0)):
        optimizer.zero_grad()
        loss = network_loss(net(folds.gather(narrow, rows), narrow), folds, rows, "cross_entropy").sum()
        (loss + l2_penalty(net.slices(narrow).values(), trainer.child_l2_reg)).backward()
        optimizer.step()
    assert float((net.weights[1].detach()[:, 4:, 4:] - unused).abs().max()) == 0


def test_candidates_take_the_best_of_each_group_first() -> None:
    scored = [Scored(Architecture((group, i)), 1 - 0.1 * i, 0.0) for i, group in enumerate([1, 1, 0, 1, 2])]

    def chosen(k: int) -> list[int]:
        return [one.architecture.values[1] for one in choose_candidates(scored, k, lambda a: a.values[0])]

    assert (chosen(1), chosen(2), chosen(3)) == ([0], [0, 2], [0, 2, 4])
    assert (chosen(4), chosen(9)) == ([0, 2, 4, 1], [0, 2, 4, 1, 3])
