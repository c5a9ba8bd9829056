"""Common steps are computed once, and their results live no longer than they are needed."""

import weakref

import torch
from torch import Tensor

from enas.networks.program import Program, Step


def compute(step: Step, states: list[Tensor]) -> Tensor:
    return sum(states, start=torch.tensor(float(sum(step.place))))


def test_equal_steps_on_equal_results_are_one() -> None:
    program = Program()
    stem = program.add("stem", (1,))
    left, right = program.add("pool", (2,), stem), program.add("conv", (2,), stem)
    assert len({stem, left, right}) == 3
    assert program.add("stem", (1,)) == stem
    assert program.add("pool", (2,), stem) == left
    assert program.add("pool", (3,), stem) not in {stem, left, right}
    assert program.add("pool", (2,), left) not in {stem, left, right}
    assert program.add("add", (), left, right) != program.add("add", (), left, left)


def test_each_step_is_computed_once_and_in_order() -> None:
    program, computed = Program(), list[int]()

    def watch(step: Step, states: list[Tensor]) -> Tensor:
        computed.append(step.place[0])
        return compute(step, states)

    stem = program.add("stem", (1,))
    one = program.add("conv", (2,), stem)
    again = program.add("conv", (2,), program.add("stem", (1,)))
    other = program.add("conv", (3,), stem)
    both = program.add("add", (0,), one, other)
    results = program.run(watch, [one, again, both])
    assert computed == [1, 2, 3, 0]
    assert [float(result) for result in results] == [3, 3, 7]
    assert results[0] is results[1]


def test_a_step_may_read_a_result_twice() -> None:
    program = Program()
    (result,) = program.run(compute, [program.add("add", (), *[program.add("stem", (4,))] * 2)])
    assert float(result) == 8


def test_results_are_let_go_when_their_last_reader_has_them() -> None:
    """A chain of twenty steps holds two results at a time, besides those that are wanted."""
    program, alive = Program(), list[weakref.ref[Tensor]]()
    n_alive = list[int]()

    def watch(step: Step, states: list[Tensor]) -> Tensor:
        n_alive.append(sum(reference() is not None for reference in alive))
        result = compute(step, states)
        alive.append(weakref.ref(result))
        return result

    steps = [program.add("step", (0,))]
    for i in range(1, 20):
        steps.append(program.add("step", (i,), steps[-1]))
    results = program.run(watch, [steps[4], steps[-1]])
    assert [float(result) for result in results] == [10, 190]
    assert max(n_alive[:5]) == 1
    assert max(n_alive[5:]) == 2


def test_only_what_one_step_reads_is_merged_into_it() -> None:
    program, kinds = Program(), list[tuple[str, tuple[int, ...]]]()

    def watch(step: Step, states: list[Tensor]) -> Tensor:
        kinds.append((step.kind, step.place))
        return compute(step, states)

    stem = program.add("stem", (1,))
    one, two, three = (program.add("pool", (place,), stem) for place in (2, 3, 4))
    first = program.add("add", (), one, two)
    twice = program.add("add", (), three, three)
    last = program.add("add", (), first, program.add("conv", (5,), twice))
    program.merge("pool", "add")
    (result,) = program.run(watch, [last])
    assert kinds == [
        ("stem", (1,)),
        ("pool", (2,)),
        ("pool", (4,)),
        ("add", (3,)),
        ("add", ()),
        ("conv", (5,)),
        ("add", ()),
    ]
    assert float(result) == 1 + 2 + 1 + 3 + 2 * (1 + 4) + 5
