"""A watch over the controller: how often its samples take each operation, and a word when it has stopped exploring."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from enas.progress import Progress
from enas.search_space import Architecture, SearchSpace
from enas.search_space.base import ChooseOperation, Vocabulary

COLLAPSED = 0.95
"""Share of all decisions above which one operation has taken over."""
LATE = 0.75
"""Share of the epochs after which a policy may be as sure as it likes."""


@dataclass(slots=True)
class PolicyWatch:
    """Counts the named options of the samples that it is shown; warns of each option that takes over too early.

    Args:
        space: whose vocabularies have labels.
        n_epochs: of the search.
        progress: takes the warnings.
        warned: labels that there was a warning about.
    """

    space: SearchSpace
    n_epochs: int
    progress: Progress
    warned: set[str] = field(default_factory=set, init=False)

    def __call__(self, architectures: Sequence[Architecture], epoch: int) -> dict[str, float]:
        """Shares by ``<vocabulary>_<option>``, such as ``operation_3``."""
        shares = option_shares(self.space, architectures)
        for vocabulary, values in shares.items():
            top = max(range(len(values)), key=values.__getitem__)
            label = vocabulary.labels[top]
            if values[top] > COLLAPSED and epoch + 1 <= LATE * self.n_epochs and label not in self.warned:
                self.warned.add(label)
                self.progress.warn(
                    f"the policy has collapsed: {values[top]:.0%} of its choices are {label} in epoch {epoch + 1} of "
                    f"{self.n_epochs}; raise controller_exploration or lower controller_lr"
                )
        return {f"{v.name}_{option}": share for v, values in shares.items() for option, share in enumerate(values)}


def option_shares(space: SearchSpace, architectures: Sequence[Architecture]) -> dict[Vocabulary, list[float]]:
    """Per vocabulary with labels, how often each of its options is chosen in the architectures; shares add up to 1.

    Example:
        >>> from enas.search_space import MicroSpace
        >>> one = Architecture.from_text("0 2 1 0 1 4 1 2")
        >>> list(option_shares(MicroSpace(1), [one]).values())
        [[0.25, 0.0, 0.5, 0.0, 0.25]]
    """
    counts: dict[Vocabulary, list[int]] = {}
    for decision in space.decisions:
        if isinstance(decision, ChooseOperation) and decision.vocabulary.labels:
            tally = counts.setdefault(decision.vocabulary, [0] * decision.vocabulary.n_options)
            for architecture in architectures:
                tally[architecture.values[decision.position]] += 1
    return {vocabulary: [n / max(sum(tally), 1) for n in tally] for vocabulary, tally in counts.items()}
