"""What the head reads: with the head's weights it gives the logits; of the best candidate alone; block by block."""

from collections.abc import Callable

import numpy as np
import pytest
from export.models import CLASSES, features, image_model, random_architecture
from numpy.testing import assert_allclose, assert_array_equal

from enas.image_model import ImageModel
from enas.networks.dense import SHORTCUT_GAIN
from enas.search_space import MicroSpace
from enas.table_model import TableModel

pytestmark = pytest.mark.usefixtures("one_thread")
X = features(40)
PIXELS = np.random.default_rng(0).integers(0, 256, (7, 12, 12, 1), np.uint8)


def make_image_model() -> ImageModel:
    space = MicroSpace(5)
    one = random_architecture(space, 1)
    return image_model(one, space=space, size=(12, 12), n_channels=1, reductions=(1,))


def test_of_a_single_network_head_and_shortcut_give_the_logits(make_model: Callable[..., TableModel]) -> None:
    model = make_model(X, CLASSES)
    one, *_ = model.preprocessors
    (member,) = model.members
    alone = {name: tensor[:1] for name, tensor in member.tensors.items()}
    single = TableModel(
        model.space,
        (type(member)(member.architecture, 1.0, 1.0, alone),),
        (one,),
        *(model.feature_names, True, model.target_names, model.classes, model.center[:1], model.factor[:1]),
    )
    (values,) = single.embeddings(X)
    weights = {name: tensor[0].numpy() for name, tensor in alone.items()}
    linear = one.stems[0](one.scaler(X)) @ weights["shortcut"] * SHORTCUT_GAIN
    assert values.dtype == np.float32
    assert_allclose(
        values @ weights["head_weight"] + weights["head_bias"] + linear, single.predict(X), rtol=1e-5, atol=1e-5
    )


def test_the_networks_of_the_best_candidate_stand_side_by_side(make_model: Callable[..., TableModel]) -> None:
    model = make_model(X, CLASSES, n_seeds=2, shares=(0.3, 0.7), screens=(5, None))
    best = model.members[1]
    (values,) = model.embeddings(X)
    n_networks, width, _ = best.tensors["head_weight"].shape
    assert values.shape == (24, n_networks * width)
    (alone,) = model.only(best.architecture).embeddings(X)
    assert_array_equal(values, alone)
    heads = best.tensors["head_weight"].numpy(), best.tensors["head_bias"].numpy()
    logits = np.zeros((24, 3))
    for m, block in enumerate(np.split(values, n_networks, axis=1)):
        one = model.preprocessors[m % model.n_folds]  # seed by seed, in each fold by fold
        inputs = one.stems[1](one.scaler(X))
        shortcut = best.tensors["shortcut"][m, : inputs.shape[1]].numpy()
        logits += (block @ heads[0][m] + heads[1][m] + SHORTCUT_GAIN * inputs @ shortcut) / n_networks
    assert_allclose(best.temperature * logits, model.only(best.architecture).predict(X), rtol=1e-4, atol=1e-4)


def test_of_images_the_pooled_channels_give_the_logits() -> None:
    model = make_image_model()
    (values,) = model.embeddings(PIXELS)
    weight = model.members[0].tensors["head.weight"].numpy()
    assert values.dtype == np.float32
    assert values.shape == (7, weight.shape[1])
    assert_allclose(values @ weight.T, model.predict(PIXELS), rtol=1e-5, atol=1e-5)


def test_blocks_make_no_difference(make_model: Callable[..., TableModel]) -> None:
    table, images = make_model(X, CLASSES), make_image_model()
    for whole, blocks in (
        (list(table.embeddings(X)), list(table.embeddings(X, batch_size=10))),
        (list(images.embeddings(PIXELS)), list(images.embeddings(PIXELS, batch_size=3))),
    ):
        assert len(whole) == 1
        assert len(blocks) == 3
        assert_allclose(np.concatenate(blocks), whole[0], rtol=1e-5, atol=1e-6)
