"""From raw features to what a network sees, fitted on training rows only.

`Scaler` transforms, imputes and standardises; a `Stem` then keeps the best-scoring features (screening) and, where
there are more features than training rows, changes the basis.

The change of basis is exact for learning: the gradient of a first layer lies in the row space of its training rows, so
its part outside never learns anything. Writing the rows in an orthonormal basis of that space (r <= n numbers instead
of p) gives the same outputs, the same gradients and, because a Gaussian initialisation is rotation-invariant, the same
starting distribution, at a cost that no longer depends on p. One thing changes, for the better: weights outside the
row space, which training rows cannot see, would keep their random initial values and add noise to new rows; here they
are zero, the minimum-norm solution.

The basis is a random one. Adam scales each coordinate's step by its own gradients; in principal coordinates that would
let directions of little variance, which are noise in small samples, learn as fast as the main ones. In a random basis
all coordinates carry about the same, so that the step is nearly that of gradient descent. (A linear model on all genes
of golub: balanced accuracy .945 in principal coordinates, .975 in random ones; converged logistic regression .980.)
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from enas.data.dataset import FloatArray, IntArray, Target
from enas.data.matrix import Index, Matrix, column_blocks, split_index
from enas.data.scores import rank_features, score_features, weigh_features
from enas.errors import DataError

Transform = Literal["none", "log1p", "asinh"]
Scale = Literal["standard", "robust", "none"]

_LARGE = 1000.0  # values beyond this are raw intensities or counts: "auto" compresses them
_TOO_LARGE = 1e9  # squares and sums of such values overflow single precision soon
_MAX_BASIS = 1024  # rows up to which an eigenbasis costs less than it saves
_SLAB = 2048  # rows of a table that is not dense which change their basis at once


@dataclass(frozen=True, slots=True)
class Scaler:
    """Transform, impute, standardise; every array has shape (p,).

    Args:
        transform: applied to every value first.
        fill: what a missing value becomes: the median of the transformed training rows.
        center: subtracted.
        factor: multiplied; 0 for a feature that is constant on the training rows.
    """

    transform: Transform
    fill: FloatArray
    center: FloatArray
    factor: FloatArray

    def __call__(self, features: FloatArray) -> FloatArray:
        """Standardised copy of ``features``, shape (n, p), without missing values."""
        out = np.empty_like(features)
        for block in column_blocks(features.shape):
            values = _transformed(features[:, block], self.transform)
            values = np.where(np.isnan(values), self.fill[block], values)
            out[:, block] = (values - self.center[block]) * self.factor[block]
        return out

    def of(self, columns: Index) -> "Scaler":
        """The same of these features alone."""
        return Scaler(self.transform, self.fill[columns], self.center[columns], self.factor[columns])


@dataclass(frozen=True, slots=True, eq=False)
class Standardised:
    """A table that is not dense, as a scaler makes it: whatever is taken of it is standardised then.

    Args:
        features: the raw table, (n, p).
        scaler: of its features.
    """

    features: Matrix
    scaler: Scaler

    @property
    def shape(self) -> tuple[int, ...]:
        return self.features.shape

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, at: Any, /) -> FloatArray:
        return self.scaler.of(split_index(at)[1])(self.features[at])


def fit_scaler(features: Matrix, rows: IntArray, *, transform: Transform | Literal["auto"], scale: Scale) -> Scaler:
    """Fit on ``rows`` of ``features`` (n, p) alone.

    Raises:
        DataError: ``log1p`` meets a value of -1 or less, or values are too large to compute with.
    """
    chosen = _choose_transform(features, rows) if transform == "auto" else transform
    fill, center, factor = (np.zeros(features.shape[1], np.float32) for _ in range(3))
    for block in column_blocks((len(rows), features.shape[1])):
        values = _transformed(features[rows, block], chosen).astype(np.float64)
        missing = np.isnan(values)
        if missing.any():
            values[:, missing.all(axis=0)] = 0.0  # never seen in training: a constant
            fill[block] = np.nanmedian(values, axis=0)
            values = np.where(np.isnan(values), fill[block], values)
        center[block], factor[block] = _location_and_factor(values, scale)
        _refuse_overflow((values - center[block]) * factor[block], scale)
    return Scaler(chosen, fill, center, factor)


@dataclass(frozen=True, slots=True)
class Stem:
    """What the first layer sees: ``standardised[:, columns] @ basis / sqrt(k)``, shape (n, r).

    Args:
        columns: (k,) feature numbers; None = all p.
        basis: (k, r) orthonormal columns, each row times its feature's weight; None = the features themselves (r = k).
        n_features: k.
    """

    columns: IntArray | None
    basis: FloatArray | None
    n_features: int

    @property
    def n_inputs(self) -> int:
        """r, the number of coordinates."""
        return self.n_features if self.basis is None else int(self.basis.shape[1])

    @property
    def factor(self) -> np.float32:
        """``1 / sqrt(k)``: rows have a norm of about 1, however many features there are."""
        return np.float32(self.n_features**-0.5)

    def __call__(self, standardised: FloatArray) -> FloatArray:
        """Coordinates (n, r) of standardised rows (n, p)."""
        return self.coordinates(standardised.copy(order="K") if self.columns is None else standardised)

    def coordinates(self, standardised: Matrix) -> FloatArray:
        """The same, but the stem of all features may scale ``standardised`` in place: a large table is not copied."""
        if self.basis is None:
            moved = standardised[:] if self.columns is None else standardised[:, self.columns]
        else:
            moved = self._change_basis(standardised, self.basis)
        moved *= self.factor
        return moved

    def _change_basis(self, standardised: Matrix, basis: FloatArray) -> FloatArray:
        if self.columns is not None:
            return standardised[:, self.columns] @ basis
        size = len(standardised) if isinstance(standardised, np.ndarray) else _SLAB
        slabs = (standardised[start : start + size] for start in range(0, len(standardised), size))
        return np.concatenate([slab @ basis for slab in slabs])


def fit_stem(
    standardised: Matrix, order: IntArray | None, n_features: int, rows: IntArray, generator: np.random.Generator
) -> Stem:
    """Keep the first ``n_features`` of ``order`` (None: all), in a basis of ``rows`` where that is smaller."""
    columns = None if order is None else order[:n_features]
    if not changes_basis(len(rows), n_features):
        return Stem(columns, None, n_features)
    kept = (standardised if columns is None else standardised[:, columns])[rows]
    return Stem(columns, row_space(np.ascontiguousarray(kept), generator), n_features)


def fit_weighted_stem(
    standardised: Matrix, weights: FloatArray, rows: IntArray, generator: np.random.Generator
) -> Stem:
    """All features times ``weights`` (p,), in a basis of ``rows``, of which there are fewer."""
    basis = row_space(standardised[rows] * weights, generator)
    return Stem(None, basis * weights[:, None], len(weights))


def changes_basis(n_rows: int, n_features: int) -> bool:
    """Whether so many training rows see so many features as coordinates of their own space."""
    return n_rows < min(n_features, _MAX_BASIS + 1)


def row_space(rows: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Orthonormal basis (p, r) of the space that ``rows`` (n, p) span, by eigenvectors of their n x n Gram matrix."""
    values, vectors = np.linalg.eigh((rows @ rows.T).astype(np.float64))
    kept = values > max(values[-1], np.finfo(np.float32).tiny) * 1e-6
    kept[-1] = True  # rows without any variance still need one coordinate
    combination = vectors[:, kept] / np.sqrt(np.maximum(values[kept], np.finfo(np.float32).tiny))
    rotation, _ = np.linalg.qr(generator.standard_normal((combination.shape[1],) * 2))
    return np.asarray(rows.T @ (combination @ rotation).astype(np.float32))


@dataclass(frozen=True, slots=True)
class Preprocessor:
    """Everything between a raw table and the inputs of one network; one stem per screening choice."""

    scaler: Scaler
    stems: tuple[Stem, ...]


def fit_preprocessor(
    features: Matrix,
    target: Target,
    rows: IntArray,
    *,
    transform: Transform | Literal["auto"],
    scale: Scale,
    screens: tuple[int | None, ...],
    sharpness: tuple[int, ...] = (),
    seed: int,
) -> tuple[Preprocessor, tuple[FloatArray, ...]]:
    """Fit on ``rows`` alone; also return every row's coordinates, one array (n, r) per screen.

    Of ``features`` (n, p) that are not dense, no more than blocks and those coordinates become so.

    Args:
        screens: how many features each stem keeps; None = all, which comes last.
        sharpness: instead, how each stem weighs them all (`weigh_features`); of tables that change their basis.
        seed: draws the bases.
    """
    scaler = fit_scaler(features, rows, transform=transform, scale=scale)
    standardised = scaler(features) if isinstance(features, np.ndarray) else Standardised(features, scaler)
    if sharpness:
        return _fit_weighted(scaler, standardised, score_features(standardised, target, rows), rows, sharpness, seed)
    widest = max((screen for screen in screens if screen is not None), default=0)
    order = rank_features(standardised, target, rows)[:widest] if widest else None
    best = None if order is None else standardised[:, order]
    stems, coordinates = [], []
    for i, screen in enumerate(screens):
        generator = np.random.default_rng((seed, i))
        if screen is None or order is None or best is None:
            stems.append(fit_stem(standardised, None, features.shape[1], rows, generator))
            coordinates.append(stems[-1].coordinates(standardised))
        else:
            kept = best[:, :screen]
            stem = fit_stem(kept, None, screen, rows, generator)
            stems.append(replace(stem, columns=order[:screen]))
            coordinates.append(stem(kept))
    return Preprocessor(scaler, tuple(stems)), tuple(coordinates)


def _fit_weighted(
    scaler: Scaler,
    standardised: Matrix,
    scores: NDArray[np.float64],
    rows: IntArray,
    sharpness: tuple[int, ...],
    seed: int,
) -> tuple[Preprocessor, tuple[FloatArray, ...]]:
    stems = tuple(
        fit_weighted_stem(standardised, weigh_features(scores, power), rows, np.random.default_rng((seed, i)))
        for i, power in enumerate(sharpness)
    )
    return Preprocessor(scaler, stems), tuple(stem.coordinates(standardised) for stem in stems)


def _refuse_overflow(values: NDArray[np.float64], scale: Scale) -> None:
    largest = float(np.abs(values).max(initial=0.0))
    if not largest < _TOO_LARGE:
        raise DataError(
            f'preprocessing.scale "{scale}" leaves values of up to {largest:.3g}, too large to compute with; '
            'use "standard" and preprocessing.transform "asinh"'
        )


def _transformed(values: FloatArray, transform: Transform) -> FloatArray:
    if transform == "none":
        return values
    if transform == "asinh":
        return np.arcsinh(values)
    if bool((values <= -1).any()):
        raise DataError(
            f"preprocessing.transform log1p needs values above -1 and met {float(np.nanmin(values)):g}; "
            'use "asinh", which takes negative values'
        )
    return np.log1p(values)


def _choose_transform(features: Matrix, rows: IntArray) -> Transform:
    blocks = column_blocks((len(rows), features.shape[1]))
    largest = max(float(np.nanmax(np.abs(features[rows, block]), initial=0.0)) for block in blocks)
    return "asinh" if largest > _LARGE else "none"


def _location_and_factor(values: NDArray[np.float64], scale: Scale) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centre and factor per column; a column whose spread is nothing but rounding becomes a constant zero."""
    varies = np.ptp(values, axis=0) > 1e-6 * np.abs(values).max(axis=0)
    if scale == "none":
        return np.zeros(values.shape[1]), varies.astype(np.float64)
    if scale == "robust":
        low, center, high = np.percentile(values, [25, 50, 75], axis=0)
        spread = (high - low) / 1.349  # the interquartile range of a standard normal
        spread = np.where(spread > 0, spread, values.std(axis=0))
    else:
        center, spread = values.mean(axis=0), values.std(axis=0)
    return center, np.where(varies, 1.0 / np.where(varies, spread, 1.0), 0.0)
