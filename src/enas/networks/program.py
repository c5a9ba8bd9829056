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

    def merge(self, kind: str, into: str) -> None:
        """Leave steps of one kind to the only step that reads them, where it is of the other kind; one to each.

        That takes over the place, and reads what it read besides, then what the step did. Nothing can be added after.

        Example:
            >>> program = Program()
            >>> pool, total = program.add("pool", (3,), program.add("stem", ())), program.add("sum", (), 0, 1)
            >>> program.merge("pool", "sum")
            >>> program.run(lambda step, states: (step.kind, step.place, states), [total])
            [('sum', (3,), [('stem', (), []), ('stem', (), [])])]
        """
        n_readers = Counter(number for step in self._numbers for number in step.reads)
        steps = {number: step for step, number in self._numbers.items()}
        for number, step in list(steps.items()):
            alone = [read for read in step.reads if steps[read].kind == kind and n_readers[read] == 1]
            if step.kind == into and alone:
                part = steps.pop(alone[-1])
                besides = (read for read in step.reads if read != alone[-1])
                steps[number] = Step(into, part.place, (*besides, *part.reads))
        self._numbers = {step: number for number, step in steps.items()}

    def run(
        self,
        compute: Callable[[Step, list[Tensor]], Tensor],
        wanted: Sequence[int],
        share: Callable[[Tensor, int], Sequence[Tensor]] = lambda result, n: [result] * n,
    ) -> list[Tensor]:
        """Compute all steps, and return the results of those that are wanted; ``share`` gives a result to n readers."""
        n_readers = Counter(number for step in self._numbers for number in step.reads)
        n_readers.update(wanted)
        results: dict[int, list[Tensor]] = {}
        for step, number in self._numbers.items():
            result = compute(step, [results[read].pop() for read in step.reads])
            results[number] = list(share(result, n_readers[number]))
            del result  # the readers alone hold it
        return [results[number].pop() for number in wanted]
