import pytest

from enas.errors import ConfigError
from enas.search_space import Architecture, DenseLayer, DenseSpace, standard_widths

SPACE = DenseSpace(3, widths=standard_widths(512))
SCREENED = DenseSpace(3, widths=standard_widths(512), screens=(50, 500, None))
WEIGHED = DenseSpace(3, widths=standard_widths(512), sharpness=(0, 2))


def test_reads_the_seeds_encoding() -> None:
    layers = SPACE.layers(Architecture.from_text("[3 0 1 2 1 1]"))
    assert layers == (DenseLayer(256, ()), DenseLayer(32, (0,)), DenseLayer(128, (0, 1)))


def test_the_screen_is_the_first_integer() -> None:
    architecture = Architecture.from_text("[1 3 0 1 2 0 1]")
    assert SCREENED.screen(architecture) == 1
    assert SCREENED.layers(architecture) == (DenseLayer(256, ()), DenseLayer(32, (0,)), DenseLayer(128, (1,)))
    assert SPACE.screen(Architecture.from_text("[3 0 1 2 1 1]")) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[0 4 3 0 0 1 0]", "all features → 512 → 256 → 32 (+ layer 1)"),
        ("[1 4 3 0 0 1 0]", "all features by score^2 → 512 → 256 → 32 (+ layer 1)"),
    ],
)
def test_the_sharpness_is_the_first_integer(text: str, words: str) -> None:
    architecture = Architecture.from_text(text)
    assert WEIGHED.screen(architecture) == architecture.values[0]
    assert WEIGHED.layers(architecture) == SCREENED.layers(architecture)
    assert WEIGHED.describe(architecture) == words
    with pytest.raises(ConfigError, match=r"the weighing of features must be from 0 to 1 \(0 = all features, 1 = all"):
        WEIGHED.validate(Architecture((2, *architecture.values[1:])))


def test_counts_every_architecture() -> None:
    assert SPACE.n_architectures == 5**3 * 2**3
    assert SCREENED.n_architectures == 3 * 5**3 * 2**3
    assert WEIGHED.n_architectures == 2 * 5**3 * 2**3
    assert DenseSpace(1, widths=(8,)).n_architectures == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1 4 3 0 0 1 0]", "500 features → 512 → 256 → 32 (+ layer 1)"),
        ("[2 0 0 1 0 1 1]", "all features → 32 → 32 (+ layer 1) → 32 (+ layers 1, 2)"),
    ],
)
def test_describes_in_words(text: str, words: str) -> None:
    assert SCREENED.describe(Architecture.from_text(text)) == words


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[3 0 1 2 1]", "has 5 integers, but this search space needs 6"),
        ("[3 7 1 2 1 1]", r"integer 2 .* is 7, but the width of layer 2 must be from 0 to 4 \(0 = 32 units, 1 = 64"),
        ("[3 0 1 2 1 2]", r"integer 6 .* is 2, but the skip from layer 2 to layer 3 must be from 0 to 1 \(0 = no"),
    ],
)
def test_says_what_is_wrong_with_an_architecture(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SPACE.validate(Architecture.from_text(text))


@pytest.mark.parametrize(
    ("n_layers", "widths", "screens"),
    [(0, (8,), ()), (1, (), ()), (1, (8, 8), ()), (1, (0,), ()), (1, (8,), (0,)), (1, (8,), (None, None))],
)
def test_refuses_a_space_that_makes_no_sense(
    n_layers: int, widths: tuple[int, ...], screens: tuple[int | None, ...]
) -> None:
    with pytest.raises(ConfigError, match="dense space"):
        DenseSpace(n_layers, widths, screens)


def test_features_are_screened_or_weighed_and_not_both() -> None:
    with pytest.raises(ConfigError, match="screens or sharpness, not both"):
        DenseSpace(1, (8,), screens=(5, None), sharpness=(0, 1))
    with pytest.raises(ConfigError, match="sharpness of a dense space must be 0 or more and distinct"):
        DenseSpace(1, (8,), sharpness=(1, 1))


def test_standard_widths_need_a_wide_enough_layer() -> None:
    assert standard_widths(16) == (1, 2, 4, 8, 16)
    with pytest.raises(ConfigError, match="max_search_channel is 15"):
        standard_widths(15)
