import pytest
import torch

from enas.controller import Controller, Sample
from enas.reinforce import add_entropy, advantages, make_optimizer, policy_loss, update_baseline
from enas.search_space import Architecture, DenseSpace


def make_sample() -> Sample:
    return Sample(
        integers=torch.tensor([[0], [1]]),
        log_prob=torch.tensor([-1.0, -2.0], requires_grad=True),
        entropy=torch.tensor([0.5, 1.5], requires_grad=True),
        skip_penalty=torch.tensor([0.2, 0.6], requires_grad=True),
    )


def test_the_baseline_moves_a_hundredth_of_the_way() -> None:
    assert update_baseline(0.0, 0.8, decay=0.99) == pytest.approx(0.008)
    assert update_baseline(0.8, 0.8, decay=0.99) == 0.8


def test_advantages_equal_a_hand_computation() -> None:
    # b = 0 + 0.1·(1 − 0) = 0.1; then 0.1 + 0.1·(0.5 − 0.1) = 0.14; then 0.14 + 0.1·(0 − 0.14) = 0.126
    result, baseline = advantages([1.0, 0.5, 0.0], baseline=0.0, decay=0.9)
    assert result == pytest.approx([0.9, 0.36, -0.126])
    assert baseline == pytest.approx(0.126)


def test_entropy_is_a_constant_in_the_reward() -> None:
    assert add_entropy([0.7, 0.8], make_sample().entropy, weight=0.1) == pytest.approx([0.75, 0.95])


def test_the_loss_equals_a_hand_computation() -> None:
    sample = make_sample()
    assert policy_loss(sample, [0.5, -1.0]).item() == pytest.approx((1.0 * 0.5 - 2.0 * 1.0) / 2)
    assert policy_loss(sample, [0.0, 0.0], skip_weight=0.8).item() == pytest.approx(0.8 * 0.4)
    assert policy_loss(sample, [0.0, 0.0], entropy_weight=0.01).item() == pytest.approx(-0.01)


def test_the_gradient_is_the_mean_over_the_batch() -> None:
    sample = make_sample()
    policy_loss(sample, [0.5, -1.0]).backward()
    assert sample.log_prob.grad is not None
    assert sample.log_prob.grad.tolist() == [-0.25, 0.5]
    assert sample.entropy.grad is None


def test_a_step_makes_what_did_better_likelier() -> None:
    generator = torch.Generator().manual_seed(0)
    controller = Controller(DenseSpace(3, widths=(8, 16)), tanh_constant=1.5, generator=generator)
    pair = [Architecture((0, 0, 0, 0, 0, 0)), Architecture((1, 1, 1, 1, 1, 1))]
    before = controller.evaluate(pair).log_prob.detach()
    policy_loss(controller.evaluate(pair), [0.1, -0.1]).backward()
    make_optimizer(controller, lr=0.0035).step()
    change = controller.evaluate(pair).log_prob.detach() - before
    assert change[0] > 0.01
    assert change[1] < -0.01


def test_the_skip_penalty_pulls_skips_towards_their_target() -> None:
    generator = torch.Generator().manual_seed(0)
    controller = Controller(DenseSpace(4, widths=(8, 16)), tanh_constant=1.5, skip_target=0.2, generator=generator)
    optimizer = make_optimizer(controller, lr=0.0035)
    for _ in range(100):
        sample = controller.sample(10, generator)
        optimizer.zero_grad()
        policy_loss(sample, [0.0] * 10, skip_weight=0.8).backward()
        optimizer.step()
    with torch.no_grad():
        sample = controller.sample(1000, generator)
    skips = sample.integers[:, [2, 4, 5, 7, 8, 9]].double().mean()
    assert float(sample.skip_penalty.mean()) < 0.01
    # σ(q) = 0.2 is the target, as in the original; the bit itself is 1 with probability σ(2q)
    assert float(skips) == pytest.approx(1 / 17, abs=0.03)


def test_the_optimizer_is_the_authors() -> None:
    controller = Controller(DenseSpace(1, (8,)), tanh_constant=1.5, generator=torch.Generator().manual_seed(0))
    optimizer = make_optimizer(controller, lr=0.0035)
    assert (optimizer.lr, optimizer.betas, optimizer.eps, optimizer.l2) == (0.0035, (0.0, 0.999), 1e-3, 0.0)
