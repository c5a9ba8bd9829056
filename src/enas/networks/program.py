"""What several architectures compute on the same images, each common part once.

An architecture is traced into steps, each of which reads the results of earlier ones. Equal steps that read equal
results are one step, whichever architecture they come from; a result is let go as soon as nobody needs it any more.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Step:
    """One computation.

    Args:
        kind: what is done.
        place: which weights do it.
        reads: numbers of the steps whose results it takes.
    """

    kind: str
    place: tuple[int, ...]
    reads: tuple[int, ...]


@dataclass(slots=True)
class Program:
    """Distinct steps in the order in which they were first asked for."""

    _numbers: dict[Step, int] = field(default_factory=dict)

    def add(self, kind: str, place: tuple[int, ...], *reads: int) -> int:
        """The number of a step, a new one where it is not there yet.

        Example:
            >>> program = Program()
            >>> program.add("stem", ()), program.add("pool", (3,), 0), program.add("pool", (3,), 0)
            (0, 1, 1)
        """
        return self._numbers.setdefault(Step(kind, place, reads), len(self._numbers))

    def run(self, compute: Callable[[Step, list[Tensor]], Tensor], wanted: Sequence[int]) -> list[Tensor]:
        """Compute all steps, and return the results of those that are wanted."""
        n_readers = Counter(number for step in self._numbers for number in step.reads)
        n_readers.update(wanted)
        results: dict[int, Tensor] = {}
        for step, number in self._numbers.items():
            results[number] = compute(step, [results[read] for read in step.reads])
            for read in step.reads:
                n_readers[read] -= 1
                if not n_readers[read]:
                    del results[read]
        return [results[number] for number in wanted]
