"""Where layers halve the image, where the auxiliary head stands, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enas.errors import ConfigError
from enas.networks.blueprint import Blueprint, count_reductions, describe_plan, place_auxiliary, place_reductions


def plan(side: int = 32, n_layers: int = 6, n_reductions: int = 2, n_filters: int = 20) -> Blueprint:
    return Blueprint((side, side), 1, 10, n_layers, n_filters, place_reductions(n_layers, n_reductions))


@pytest.mark.parametrize(
    ("n_layers", "n_reductions", "expected"),
    [
        (6, 2, (2, 5)),  # the paper's search
        (15, 2, (5, 11)),  # and its retraining
        (6, 3, (1, 3, 6)),  # ENAS-Tensorflow's with 64 pixels
        (15, 3, (3, 7, 15)),  # and its final networks
        (1, 2, (0, 1)),
        (1, 1, (1,)),
        (2, 3, (1, 2, 3)),
        (6, 4, (1, 3, 4, 6)),
        (6, 7, (1, 2, 3, 4, 5, 6, 7)),
    ],
)
def test_reductions_stand_where_the_originals_have_them(
    n_layers: int, n_reductions: int, expected: tuple[int, ...]
) -> None:
    assert place_reductions(n_layers, n_reductions) == expected


@given(st.integers(1, 40), st.integers(1, 6))
def test_any_number_of_reductions_has_a_layer_each(n_layers: int, n_reductions: int) -> None:
    if n_reductions > n_layers + 1:
        with pytest.raises(ConfigError, match=f"{n_reductions} reductions do not fit into {n_layers + 2} layers"):
            place_reductions(n_layers, n_reductions)
        return
    placed = place_reductions(n_layers, n_reductions)
    assert len(set(placed)) == n_reductions
    assert list(placed) == sorted(placed)
    assert placed[0] >= 0
    assert placed[-1] <= n_layers + 1
    assert 0 <= place_auxiliary(placed, n_layers) <= n_layers + 1


@pytest.mark.parametrize(
    ("reductions", "n_layers", "after"),
    [((2, 5), 6, 6), ((5, 11), 15, 12), ((1, 3, 6), 6, 4), ((3, 7, 15), 15, 8), ((0, 1), 1, 2), ((1, 3), 2, 3)],
)
def test_the_auxiliary_head_follows_the_layer_after_the_second_reduction(
    reductions: tuple[int, ...], n_layers: int, after: int
) -> None:
    assert place_auxiliary(reductions, n_layers) == after


@pytest.mark.parametrize(
    ("size", "n_layers", "expected"),
    [
        ((28, 28), 6, 2),
        ((32, 32), 6, 2),
        ((33, 33), 6, 3),
        ((64, 64), 6, 3),
        ((64, 20), 6, 2),
        ((224, 224), 6, 5),
        ((224, 224), 2, 3),
        ((8, 8), 6, 2),
        ((1, 1), 6, 2),
        ((64, 64), 1, 2),
    ],
)
def test_larger_images_are_halved_more_often(size: tuple[int, int], n_layers: int, expected: int) -> None:
    assert count_reductions(size, n_layers) == expected


def test_channels_double_where_sides_are_halved_and_odd_sides_round_up() -> None:
    layers = plan(side=45, n_reductions=3).layers
    assert [layer.is_reduction for layer in layers] == [False, True, False, True, False, False, True, False]
    assert [layer.n_channels for layer in layers] == [20, 40, 40, 80, 80, 80, 160, 160]
    assert [layer.size for layer in layers] == [(45, 45), *[(23, 23)] * 2, *[(12, 12)] * 3, *[(6, 6)] * 2]


def test_height_and_width_are_halved_each_for_itself() -> None:
    assert Blueprint((30, 7), 3, 2, 1, 4, (0, 1)).layers[-1].size == (8, 2)


def test_the_plan_in_words() -> None:
    assert describe_plan(Blueprint((12, 20), 1, 3, 1, 4, (1,), auxiliary_after=2)) == (
        "3 layers on 12×20 pixels: 4@12×20, 8@6×10*, 8@6×10 (* reduction), auxiliary head after 2, 3 classes"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_layers": 0}, "child_num_layers is 0"),
        ({"n_filters": 5}, "child_out_filters is 5; it must be even"),
        ({"n_filters": 0}, "child_out_filters is 0"),
        ({"reductions": (8,)}, r"reductions \(8,\) must be ascending layers from 0 to 7"),
        ({"reductions": (5, 2)}, "ascending"),
        ({"reductions": (2, 2)}, "ascending"),
        ({"auxiliary_after": 8}, "from 0 to 7"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, object], message: str) -> None:
    fine: dict[str, object] = {"n_layers": 6, "n_filters": 20, "reductions": (2, 5)}
    with pytest.raises(ConfigError, match=message):
        Blueprint((32, 32), 1, 10, **{**fine, **change})  # type: ignore[arg-type]
