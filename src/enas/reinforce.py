"""REINFORCE with a moving-average baseline (Williams 1992; Pham et al. 2018, section 2.2), as pure functions."""

from collections.abc import Sequence

from torch import Tensor

from enas.adam import Adam
from enas.controller import Controller, Sample


def add_entropy(rewards: Sequence[float], entropy: Tensor, weight: float) -> list[float]:
    """Add `weight` × the entropy of its sampling (shape (n,)) to each reward: a bonus for a policy that explores.

    It is a constant for the gradient.
    """
    return [reward + weight * bonus for reward, bonus in zip(rewards, entropy.tolist(), strict=True)]


def update_baseline(baseline: float, reward: float, decay: float) -> float:
    """Exponential moving average of the rewards; it starts at 0.

    Example:
        >>> update_baseline(0.5, 1.0, decay=0.75)
        0.625
    """
    return baseline - (1 - decay) * (baseline - reward)


def advantages(rewards: Sequence[float], baseline: float, decay: float) -> tuple[list[float], float]:
    """Reward minus baseline, where each reward first moves the baseline; returns the last baseline, too.

    Example:
        >>> advantages([1.0, 0.0], baseline=0.0, decay=0.5)
        ([0.5, -0.25], 0.25)
    """
    result = []
    for reward in rewards:
        baseline = update_baseline(baseline, reward, decay)
        result.append(reward - baseline)
    return result, baseline


def policy_loss(
    sample: Sample, advantages: Sequence[float], skip_weight: float = 0.0, entropy_weight: float = 0.0
) -> Tensor:
    """The scalar to minimise: its gradient is the mean REINFORCE gradient of the sample's n architectures.

    Args:
        sample: of the controller, with gradient.
        advantages: n numbers, constants for the gradient.
        skip_weight: of the mean skip penalty.
        entropy_weight: of the mean entropy, whose gradient keeps the policy open. 0, as in the original, lets decisions
            saturate before the controller can tell them apart; about a fifth of what one good decision earns helps.
    """
    # REINFORCE: make architectures likelier in proportion to how much better than usual they did
    loss = -(sample.log_prob * sample.log_prob.new_tensor(advantages)).mean()
    # keep the skips near their target rate
    if skip_weight:
        loss = loss + skip_weight * sample.skip_penalty.mean()
    # keep trying
    if entropy_weight:
        loss = loss - entropy_weight * sample.entropy.mean()
    return loss


def make_optimizer(controller: Controller, lr: float) -> Adam:
    """Adam as in the authors' code: no momentum, and an ε that damps small gradients."""
    return Adam(controller.parameters(), lr=lr, betas=(0.0, 0.999), eps=1e-3)
