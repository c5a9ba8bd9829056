"""What the model goes by: the ranking of a table's features, the pixels of images."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from markupsafe import Markup

from enas.page.pictures import Album
from enas.page.saved import Saved, read_rows, reading
from enas.page.text import shown, unguarded

MOST_FEATURES = 25_000
"""That can be searched; a page of more would be large."""
MOST_OUTPUTS = 6
"""With a column of their own."""
MOST_SWARMS = 4
IMAGE_PICTURES = {
    "enas_attribution.png": "Test images with the pixels that speak for the class (red) and against it (blue).",
    "enas_attribution_by_class.png": "The mean of these maps for each class.",
    "enas_misclassified.png": "Test images that are taken for another class, the surest errors first.",
}


@dataclass(frozen=True, slots=True)
class Ranking:
    """Features, the most important first.

    Args:
        columns: names of the numbers: the total, then outputs.
        names: of the features.
        values: per column the numbers, rounded.
        n_with_influence: features whose importance is not 0.
        n_decimals: of the numbers.
        n_features: how many there are in all.
    """

    columns: Sequence[str]
    names: Sequence[str]
    values: Sequence[Sequence[float]]
    n_with_influence: int
    n_decimals: int
    n_features: int

    def to_json(self) -> dict[str, Any]:
        """As the page's script takes it."""
        return {"names": self.names, "values": self.values, "decimals": self.n_decimals}

    def first(self, n: int) -> list[tuple[int, str, list[str], float]]:
        """Rank, name, numbers as text, and the total as a share of the largest, in per cent."""
        largest = self.values[0][0] or 1.0
        return [
            (i + 1, name, self._numbers(i), round(100 * self.values[0][i] / largest, 1))
            for i, name in enumerate(self.names[:n])
        ]

    def _numbers(self, i: int) -> list[str]:
        return [f"{column[i]:.{self.n_decimals}f}" for column in self.values]


@dataclass(frozen=True, slots=True)
class Explained:
    """What the section shows.

    Args:
        ranking: of a table's features.
        swarms: pictures of SHAP values sample by sample, with captions.
        pictures: of images, with captions.
        n_samples: rows that were explained, 0 if that is not known.
        error: of the sum of the values, relative.
    """

    ranking: Ranking | None
    swarms: Sequence[tuple[Markup, str]]
    pictures: Sequence[tuple[Markup, str]]
    n_samples: int
    error: str


def read_explained(saved: Saved, album: Album) -> Explained | None:
    """Read it; None if nothing was explained.

    Raises:
        RunError: a file is damaged.
    """
    if saved.is_of_images:
        pictures = [(album.take(saved.output(name), text), text) for name, text in IMAGE_PICTURES.items()]
        pictures = [one for one in pictures if one[0]]
        return Explained(None, (), pictures, 0, "") if pictures else None
    if not saved.explanation:
        return None
    with reading(saved.output("explanation.json")):
        outputs, n_samples = [str(name) for name in saved.explanation["outputs"]], int(saved.explanation["n_samples"])
        error = f"{float(saved.explanation['additivity_error']):.0e}".replace("e-0", "e−").replace("e-", "e−")
    return Explained(_read_ranking(saved, outputs), _swarms(saved, outputs, album), (), n_samples, error)


def _read_ranking(saved: Saved, outputs: Sequence[str]) -> Ranking | None:
    path = saved.output("_features_orders.csv")
    kept = outputs if 1 < len(outputs) <= MOST_OUTPUTS else []
    rows = read_rows(path)
    with reading(path):
        first = [*islice(rows, MOST_FEATURES)]
        rest = [float(row["importance"]) > 0 for row in rows]
        n_with_influence = sum(float(row["importance"]) > 0 for row in first) + sum(rest)
        keys = [
            "importance",
            *[key for key in (first[0] if first else {}) if key.startswith("importance_")][: len(kept)],
        ]
        n_decimals = _count_decimals(float(first[0]["importance"])) if first else 0
        values = [[round(float(row[key]), n_decimals) for row in first] for key in keys]
        names = [shown(unguarded(row["feature"])) for row in first]
    columns = ["all outputs" if kept else "importance", *(f"{_kind(saved)} {shown(name)}" for name in kept)]
    n_features = len(first) + len(rest)
    return Ranking(columns, names, values, n_with_influence, n_decimals, n_features) if first else None


def _count_decimals(largest: float) -> int:
    """So many that the largest number has four digits.

    >>> _count_decimals(0.86), _count_decimals(120.0), _count_decimals(0.0)
    (4, 1, 0)
    """
    return max(0, 3 - math.floor(math.log10(largest))) if largest > 0 else 0


def _swarms(saved: Saved, outputs: Sequence[str], album: Album) -> list[tuple[Markup, str]]:
    from enas.explain import file_names

    found = []
    for output, part in zip(outputs[:MOST_SWARMS], file_names(outputs), strict=False):
        caption = f"SHAP values for {_kind(saved)} {shown(output)}: a dot is a sample, its colour the feature’s value."
        picture = album.take(saved.output(f"_dot{part}_feature_importance_summary.png"), caption)
        found += [(picture, caption)] if picture else []
    return found


def _kind(saved: Saved) -> str:
    return "class" if "classes" in (saved.validation or saved.evaluation).get("metrics", {}) else "target"
