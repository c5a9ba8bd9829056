"""The trained model of images: retrained micro networks, and what an image must be brought to before they see it.

The output is the weighted sum of the members' logits; mostly there is one member.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from enas.data.dataset import FloatArray
from enas.model import Member, best_of, choose_member
from enas.networks import native
from enas.networks.blueprint import Blueprint
from enas.networks.micro_child import MicroChild
from enas.search_space import Architecture, MicroSpace


@dataclass(frozen=True, eq=False)
class ImageModel:
    """A trained model of images.

    Args:
        space: the search space of the architectures.
        plan: layers, sizes and channels of the networks.
        members: the retrained candidates; tensors are the network's state.
        classes: class names.
        mean, std: (C,) of the training pixels per channel, 0 to 255.
        device: where it computes.
    """

    space: MicroSpace
    plan: Blueprint
    members: tuple[Member, ...]
    classes: tuple[str, ...]
    mean: FloatArray
    std: FloatArray
    device: str = "cpu"

    @property
    def target_names(self) -> tuple[str, ...]:
        """The one column that is predicted."""
        return ("class",)

    @cached_property
    def active(self) -> tuple[tuple[Member, MicroChild], ...]:
        """The members that count, with their networks ready to compute."""
        return tuple((member, self._network(member)) for member in self.members if member.share)

    def only(self, architecture: Architecture) -> "ImageModel":
        """The same model with this candidate alone in the output.

        Raises:
            ConfigError: no candidate has this architecture.
        """
        return replace(self, members=choose_member(self.members, architecture))

    def normalise(self, pixels: NDArray[Any]) -> Tensor:
        """Images (B, H, W, C) of 0 to 255 as the networks see them: (B, C, H, W), channels last."""
        copy = np.array(pixels)  # pixels of the cache are read-only, which torch takes with a warning
        return normalise(torch.from_numpy(copy).to(self.device), self.mean, self.std)

    def logits(self, x: Tensor) -> Tensor:
        """(B, n_classes) of normalised images (B, C, H, W)."""
        with native.computing(self.device):
            return torch.stack([member.weight * network(x)[0] for member, network in self.active]).sum(dim=0)

    def outputs(self, features: NDArray[Any], *, batch_size: int = 100) -> Iterator[NDArray[np.float64]]:
        """Logits of images (n, H, W, C) in batches (b, n_classes); memory is bounded by the batch."""
        for start in range(0, len(features), batch_size):
            with torch.no_grad():
                yield self.logits(self.normalise(features[start : start + batch_size])).cpu().double().numpy()

    def predict(self, features: NDArray[Any], *, batch_size: int = 100) -> NDArray[np.float64]:
        """Logits (n, n_classes) of images (n, H, W, C)."""
        return np.concatenate([np.empty((0, len(self.classes))), *self.outputs(features, batch_size=batch_size)])

    def embeddings(self, features: NDArray[Any], *, batch_size: int = 100) -> Iterator[NDArray[np.float32]]:
        """What the last linear layer reads, for images (n, H, W, C) in blocks (b, D); memory is bounded by the block.

        It is that of the candidate with the largest share: the D channels of its network's last layer, each averaged
        over the image. Its logits are ``values @ weight.T``.
        """
        _, network = best_of(self.active)
        for start in range(0, len(features), batch_size):
            with torch.no_grad(), native.computing(self.device):
                values = network.embed(self.normalise(features[start : start + batch_size]))
            yield values.cpu().numpy()

    def _network(self, member: Member) -> MicroChild:
        network = MicroChild(
            space=self.space,
            architecture=member.architecture,
            plan=replace(self.plan, auxiliary_after=None),
            generator=torch.Generator(),
        )
        network.load_state_dict(dict(member.tensors))
        return network.to(self.device).eval()


def normalise(pixels: Tensor, mean: FloatArray, std: FloatArray) -> Tensor:
    """uint8 images (B, H, W, C) to float32 (B, C, H, W), channels last, with the training pixels' mean 0 and std 1."""
    scaled = (pixels.float() - torch.from_numpy(mean).to(pixels.device)) / torch.from_numpy(std).to(pixels.device)
    return scaled.permute(0, 3, 1, 2)
