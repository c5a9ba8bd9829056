"""Search spaces: what may be chosen, as plain data. Nothing here imports torch."""

from enas.search_space.architecture import Architecture
from enas.search_space.base import SearchSpace
from enas.search_space.dense import DenseLayer, DenseSpace, standard_widths
from enas.search_space.micro import MicroSpace

__all__ = ["Architecture", "DenseLayer", "DenseSpace", "MicroSpace", "SearchSpace", "standard_widths"]
