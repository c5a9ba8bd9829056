"""What a configuration means for a table: reward, splits, search space, inputs."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import csr_matrix

from enas.config import Config, load_table_config
from enas.console import Silent
from enas.data.dataset import Dataset, FloatArray, Target
from enas.data.matrix import BlockMatrix
from enas.data.splits import Split
from enas.errors import ConfigError, DataError
from enas.plan import check_room, choose_reward, choose_splits, make_space, offers_all, prepare, weighs_features
from enas.search_space import Architecture

VALUES = Target(("size",), np.arange(30, dtype=np.float32)[:, None])


class Lines(Silent):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def line(self, text: str) -> None:
        self.texts.append(text)


class Warnings(Silent):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def warn(self, text: str) -> None:
        self.texts.append(text)


def classes(n: int, n_small: int = 0) -> Target:
    return Target(("y",), (np.arange(n) < (n_small or n // 2)).astype(np.int64), ("a", "b"))


def config(*overrides: str, split: float | None = None) -> Config:
    args = {"features_file": "x.tsv", "labels_file": "y.tsv", "validation_split": split}
    return load_table_config({"name": "plan", "data_train": {"args": args}}, overrides)[0]


def table(n: int, p: int) -> Dataset:
    x: FloatArray = np.random.default_rng(0).normal(size=(n, p)).astype(np.float32)
    names = tuple(f"g{i}" for i in range(p))
    return Dataset(x, names, True, tuple(map(str, range(n))), True, classes(n), "x.tsv")


def test_the_reward_is_accuracy_or_r2_unless_named() -> None:
    assert choose_reward(config(), classes(10)) == "accuracy"
    assert choose_reward(config(), VALUES) == "r2"
    assert choose_reward(config("trainer.reward=auroc"), classes(10)) == "auroc"
    with pytest.raises(ConfigError, match=r"auroc.*regression"):
        choose_reward(config("trainer.reward=auroc"), VALUES)


@pytest.mark.parametrize(
    ("n", "split", "folds", "n_splits", "n_held_out"),
    [
        (100, None, "auto", 5, 20),  # small, and no split is named
        (100, 0.3, "auto", 1, 30),  # the split that is named
        (1000, None, "auto", 1, 200),  # large: one split of a fifth
        (1000, None, "4", 4, 250),
        (100, None, "0", 1, 20),
        (100, 0.3, "0", 1, 30),
    ],
)
def test_auto_cross_fits_small_tables(n: int, split: float | None, folds: str, n_splits: int, n_held_out: int) -> None:
    splits = choose_splits(classes(n), config(f"trainer.folds={folds}", split=split), None, Silent())
    assert len(splits) == n_splits
    assert len(splits[0].held_out) == n_held_out


def test_rows_of_a_validation_file_judge_and_the_others_train() -> None:
    (split,) = choose_splits(classes(10), config(), np.array([8, 9]), Silent())
    assert_array_equal(split.held_out, [8, 9])
    assert_array_equal(split.train, np.arange(8))


def test_fewer_folds_for_a_small_class_come_with_a_warning() -> None:
    warnings = Warnings()
    assert len(choose_splits(classes(40, 3), config(), None, warnings)) == 3
    assert warnings.texts == ["3 folds instead of 5: the smallest class has 3 samples"]


def test_whole_groups_are_held_out_and_their_number_bounds_the_folds() -> None:
    warnings, lines, groups = Warnings(), Lines(), np.arange(40) % 3
    splits = choose_splits(classes(40), config(), None, warnings, groups)
    assert [set(groups[split.held_out]) for split in splits] in ([{a}, {b}, {c}] for a, b, c in permutations(range(3)))
    assert warnings.texts == ["3 folds instead of 5: there are 3 groups"]
    (split,) = choose_splits(classes(40), config(split=0.3), None, lines, groups)
    assert set(groups[split.train]).isdisjoint(groups[split.held_out])
    assert lines.texts == ["whole groups are held out: 1 of 3 groups"]


def test_a_class_of_one_group_is_warned_of() -> None:
    warnings = Warnings()
    choose_splits(classes(40), config("trainer.folds=2"), None, warnings, np.repeat([0, 1, 2, 3], 10) // 2 * 2)
    assert warnings.texts == [
        "2 classes occur in one group alone ('a', 'b', …): where that group is held out, nothing of them is trained on"
    ]


def test_the_seed_chooses_the_rows() -> None:
    one, same, other = (choose_splits(classes(40), config(f"seed={s}"), None, Silent())[0] for s in (1, 1, 2))
    assert_array_equal(one.held_out, same.held_out)
    assert set(one.held_out) != set(other.held_out)


def test_without_shuffling_the_split_is_still_stratified() -> None:
    """Tables often come sorted by class: their last rows would be of one class."""
    settings, target = config("data_train.args.shuffle=false", split=0.2), classes(30)
    (split,) = choose_splits(target, settings, None, Silent())
    assert np.bincount(target.values[split.held_out]).tolist() == [3, 3]


def test_the_number_of_features_is_a_decision_where_screen_is_auto() -> None:
    space = make_space(config("preprocessing.screen=auto", "trainer.child_num_layers=2"), 150)
    assert space.screens == (5, 10, 20, 50, 100, None)
    assert space.widths == (32, 64, 128, 256, 512)
    assert len(space.integers) == 1 + 3
    assert make_space(config("preprocessing.screen=auto"), 5).screens == ()
    assert make_space(config("preprocessing.screen=all"), 150).screens == ()
    assert make_space(config("preprocessing.screen=20"), 150).screens == ()


def test_features_are_weighed_where_they_outnumber_the_training_rows() -> None:
    settings, splits, lines = config("preprocessing.screen=soft"), (Split(np.arange(24), np.arange(24, 30)),), Lines()
    assert weighs_features(table(30, 40), splits, settings, lines)
    assert not lines.texts
    space = make_space(settings, 40, weighs=True)
    assert (space.screens, space.sharpness) == ((), (0, 1, 2, 3))
    assert not weighs_features(table(30, 24), splits, settings, lines)
    assert "screen soft is the same as auto here" in lines.texts[0]
    assert make_space(settings, 24).screens == make_space(config("preprocessing.screen=auto"), 24).screens
    assert not weighs_features(table(30, 40), splits, config("preprocessing.screen=auto"), lines)


@pytest.mark.parametrize(("screen", "expected"), [("7", [7]), ("9999", [40]), ("all", [40]), ("auto", [5, 10, 20, 40])])
def test_every_fold_screens_by_its_own_training_rows(screen: str, expected: list[int]) -> None:
    data, settings = table(30, 40), config(f"preprocessing.screen={screen}", "trainer.folds=3")
    assert data.target is not None
    space = make_space(settings, 40)
    splits = choose_splits(data.target, settings, None, Silent())
    preprocessors, folds = prepare(data, data.target, space, splits, settings, "cpu", Silent())
    assert [stem.n_features for stem in preprocessors[0].stems] == expected
    assert len(preprocessors) == folds.n_folds == 3
    if screen == "7":
        chosen = {tuple(np.sort(np.asarray(one.stems[0].columns))) for one in preprocessors}
        assert len(chosen) == 3
    if screen == "auto":
        assert folds.stem(Architecture((2, 0, 0, 0, 0, 0, 0))) == 2


def test_class_weights_are_used_where_they_are_asked_for() -> None:
    data = table(30, 4)
    target = classes(30, 10)
    for override, expected in (("trainer.class_weight=null", {1.0}), ("trainer.class_weight=balanced", {0.75, 1.5})):
        settings = config(override, "trainer.folds=0")
        splits = choose_splits(target, settings, None, Silent())
        _, folds = prepare(data, target, make_space(settings, 4), splits, settings, "cpu", Silent())
        assert {round(float(weight), 4) for weight in folds.row_weights} == expected


def test_what_is_imputed_constant_or_transformed_is_said() -> None:
    data = table(20, 5)
    data.features[:][3:5, 1] = np.nan
    data.features[:][:, 2] = 7.0
    data.features[:][:, 4] *= 10_000
    lines, settings = Lines(), config("preprocessing.transform=auto")
    splits = choose_splits(classes(20), settings, None, lines)
    prepare(data, classes(20), make_space(settings, 5), splits, settings, "cpu", lines)
    assert lines.texts == [
        "2 missing values: replaced by the median of the training rows",
        "1 features are constant over training rows and carry nothing (g2, …)",
        "values are transformed by asinh",
    ]


def test_a_table_without_variation_is_refused() -> None:
    data = table(20, 3)
    data.features[:][:] = 1.0
    settings = config()
    splits = choose_splits(classes(20), settings, None, Silent())
    with pytest.raises(DataError, match=r"x\.tsv: no feature varies"):
        prepare(data, classes(20), make_space(settings, 3), splits, settings, "cpu", Silent())


def sparse(n: int, p: int) -> Dataset:
    """With p values; the shape alone is large."""
    features = BlockMatrix(csr_matrix((np.ones(p), (np.arange(p) % n, np.arange(p))), (n, p)), (n, p), 1 / n)
    return replace(table(4, 3), features=features, source="x.h5ad")


def test_all_features_are_no_choice_where_they_alone_would_make_a_large_table_dense() -> None:
    settings, splits = config(), (Split(np.arange(4000), np.arange(4000, 5000)),)
    lines = Lines()
    assert not offers_all(sparse(5000, 4000), splits, settings, lines)
    assert "offers up to 2,000 of 4,000 features" in lines.texts[0]
    assert make_space(settings, 4000, with_all=False).screens[-1] == 2000
    for data, override in (
        (sparse(5000, 2000), "seed=0"),  # no more than the other choices take
        (sparse(300, 70_000), "seed=0"),  # few rows: few coordinates
        (sparse(5000, 4000), "preprocessing.screen=all"),
        (table(50, 4000), "seed=0"),
    ):
        few = (Split(np.arange(min(4000, data.n_samples - 50)), np.arange(50)),)
        assert offers_all(data, few, config(override), lines)
    assert len(lines.texts) == 1


def test_a_screen_for_which_memory_is_short_is_refused_by_its_name() -> None:
    splits = (Split(np.arange(900_000), np.arange(900_000, 1_000_000)),)
    huge = sparse(1_000_000, 1_000_000)
    with pytest.raises(DataError, match=r"x\.h5ad: preprocessing\.screen makes 1,000,000 numbers .* GiB are free"):
        check_room(huge, splits, (None,))
    check_room(huge, splits, (20,))
