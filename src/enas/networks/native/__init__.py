"""Fused kernels of the micro networks for the processor, optional: C++ in ``kernels/``, compiled at first use.

A separable convolution is bound by memory: layer by layer PyTorch reads and writes every activation some twenty times.
Here several layers go over an image while it is in the cache. Where the library cannot be built, or with
``ENAS_NATIVE=0``, :func:`available` is False, :func:`unavailable` says why, and the networks compute the same in plain
PyTorch. The result has the same bits for any number of threads.
"""

from enas.networks.native.again import keeping_little
from enas.networks.native.arguments import takes
from enas.networks.native.library import Number, available, computing, must_be_built, release_memory, unavailable
from enas.networks.native.pool import average_pool, max_pool
from enas.networks.native.projection import factorised_reduction, project
from enas.networks.native.separable import separable_conv
from enas.networks.native.sharing import share

__all__ = [
    "Number",
    "available",
    "average_pool",
    "computing",
    "factorised_reduction",
    "keeping_little",
    "max_pool",
    "must_be_built",
    "project",
    "release_memory",
    "separable_conv",
    "share",
    "takes",
    "unavailable",
]
