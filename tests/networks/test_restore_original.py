"""`restore_original`: the originals' habits that can change results, and what they change."""

import pytest
import torch

from enas.networks.blueprint import Blueprint
from enas.networks.dropout import Dropout
from enas.networks.micro import MicroSupernet, SuperLayer
from enas.networks.operations import SeparableConv
from enas.search_space import Architecture, MicroSpace

SPACE = MicroSpace(2)
ONE = Architecture.from_text("0 0 1 1 2 0 1 4 0 1 1 0 2 3 0 2")
PLAN = Blueprint((8, 8), 1, 3, n_layers=1, n_filters=32, reductions=(1,), n_nodes=2)


def make_supernet(*, original: bool) -> MicroSupernet:
    generator = torch.Generator().manual_seed(0)
    return MicroSupernet(space=SPACE, plan=PLAN, generator=generator, original_fan_in=original)


@pytest.mark.parametrize("original", [False, True])
def test_weights_start_by_the_fan_in_that_is_asked_for(original: bool) -> None:
    layer = make_supernet(original=original).layers[0]
    assert isinstance(layer, SuperLayer)
    for key, conv in layer.convs.items():
        assert isinstance(conv, SeparableConv)
        node, _, operation, _ = map(int, key.split("_"))
        true_fan_ins = {"depth": (3, 5)[operation] ** 2, "point": 32}
        for name, fan_in in true_fan_ins.items():
            expected = (2 / (node + 2 if original else fan_in)) ** 0.5
            assert float(getattr(conv.first, name).detach().std()) == pytest.approx(expected, rel=0.12)
    assert float(layer.final.detach().std()) == pytest.approx((2 / (4 if original else 32)) ** 0.5, rel=0.05)


def test_dropout_makes_scores_noisy() -> None:
    net, x = make_supernet(original=False), torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    noise = Dropout(0.5, torch.Generator().manual_seed(2))
    with torch.no_grad():
        plain, again = net(x, [ONE]), net(x, [ONE])
        noisy, other = net(x, [ONE], noise), net(x, [ONE], noise)
    assert torch.equal(plain, again)
    assert not torch.equal(noisy, other)
