"""What was searched and found: the network, the leaderboard, the course of search and retraining."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from enas.page.chart import Chart, Point, Series
from enas.page.dense import draw_dense
from enas.page.pictures import Album
from enas.page.saved import Facts, Saved, reading
from enas.page.text import fixed, is_number, shown

MOST_ROWS = 10
"""Of the leaderboard, besides all that were retrained."""
LONGEST_DESCRIPTION = 120
PICTURES = {
    "enas_normal_cell.svg": "The normal cell: what happens to an image in most layers.",
    "enas_reduction_cell.svg": "The reduction cell: layers that halve the image.",
    "enas_final_network.svg": "The final network, which stacks the two cells; with sizes, channels and parameters.",
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A row of the leaderboard, all as text; empty where it was not retrained."""

    rank: str
    architecture: str
    description: str
    shared: str
    retrained: str
    epoch: str
    share: str


@dataclass(frozen=True, slots=True)
class Found:
    """What the section shows.

    Args:
        architecture: the best one, as text.
        description: the same in words, empty if that is endless.
        drawing: of a network for tables.
        pictures: of one for images, with captions.
        candidates: of the leaderboard.
        n_candidates: how many there are in all.
        n_retrained: how many of them were retrained.
        has_description: whether candidates have one.
        courses: charts with captions.
    """

    architecture: str
    description: str
    drawing: Markup
    pictures: Sequence[tuple[Markup, str]]
    candidates: Sequence[Candidate]
    n_candidates: int
    n_retrained: int
    has_description: bool
    courses: Sequence[tuple[Markup, str]]


def read_found(saved: Saved, album: Album) -> Found:
    """Read it.

    Raises:
        RunError: a file is damaged.
    """
    with reading(saved.run.leaderboard):
        candidates = [_candidate(row) for row in saved.leaderboard]
    retrained = [one for one in candidates if one.retrained]
    others = [one for one in candidates if not one.retrained]
    with reading(saved.run.best_architecture):
        text, description = str(saved.best.get("text", "")), str(saved.best.get("description", ""))
        drawing = Markup("") if saved.is_of_images else _draw(saved, description)
    with reading(saved.run.metrics):
        courses = [*_search_course(saved.log), *_retraining_course(saved.log, text)]
    pictures = [(album.take(saved.output(name), caption), caption) for name, caption in PICTURES.items()]
    return Found(
        architecture=text,
        description=description if len(description) <= LONGEST_DESCRIPTION else "",
        drawing=drawing,
        pictures=[one for one in pictures if one[0]],
        candidates=[*retrained, *others[:MOST_ROWS]],
        n_candidates=len(candidates),
        n_retrained=len(retrained),
        has_description=all(len(one.description) <= LONGEST_DESCRIPTION for one in candidates),
        courses=[one for one in courses if one[0]],
    )


def _candidate(row: Mapping[str, str]) -> Candidate:
    score = row["retrained_score"]
    return Candidate(
        rank=row["rank"],
        architecture=row["architecture"],
        description=row["description"],
        shared=_score(row["shared_weight_score"]),
        retrained=_score(score),
        epoch=row["best_epoch"],
        share=f"{100 * float(row['share_of_model']):.0f} %" if row["share_of_model"] else "",
    )


def _score(cell: str) -> str:
    return fixed(float(cell)) if cell else ""


def _draw(saved: Saved, description: str) -> Markup:
    """A network for tables, if its description can be read."""
    metrics = (saved.validation or saved.evaluation).get("metrics", {})
    n_classes = len(metrics.get("classes", ()))
    n_targets = len(metrics.get("per_target", ()))
    outputs = f"{n_classes} classes" if n_classes else f"{n_targets} targets" if n_targets > 1 else "prediction"
    n_features = saved.data.get("data_train", {}).get("n_features", 0)
    return draw_dense(description, n_features, saved.config["trainer"]["max_search_channel"], outputs)


def _search_course(log: Sequence[Facts]) -> list[tuple[Markup, str]]:
    rows = [row for row in log if row.get("stage") == "search"]
    loss = "loss" if any("loss" in row for row in rows) else "child_loss"
    reward = [Series(_points(rows, "baseline"), "baseline", "second"), Series(_points(rows, "reward"), "reward")]
    entropy, losses = [Series(_points(rows, "entropy"))], [Series(_points(rows, loss))]
    charts = (
        (_by_epoch("Reward of the search, by epoch", "reward", reward), "Search: the controller’s mean reward."),
        (
            _by_epoch("Entropy of the controller, by epoch", "entropy, nats", entropy),
            "Search: entropy of the controller’s choices; high while it is undecided, low once its mind is made up.",
        ),
        (_by_epoch("Loss of the shared weights, by epoch", "loss", losses), "Search: loss of the shared weights."),
    )
    return [*charts]


def _retraining_course(log: Sequence[Facts], best: str) -> list[tuple[Markup, str]]:
    """The best candidate in colour, the others thin behind it."""
    rows = [row for row in log if row.get("stage") == "retrain"]
    others = [name for name in dict.fromkeys(row.get("architecture") for row in rows) if name != best]

    def series(key: str) -> list[Series]:
        lines = [
            Series(_points([row for row in rows if row.get("architecture") == name], key), look="faint")
            for name in others
        ]
        return [*lines, Series(_points([row for row in rows if row.get("architecture") == best], key))]

    others_too = "; thin: the other candidates." if others else "."
    return [
        (_by_epoch("Loss in retraining, by epoch", "loss", series("child_loss")), f"Retraining: loss{others_too}"),
        (
            _by_epoch("Held-out score in retraining, by epoch", "score", series("valid_score")),
            f"Retraining: score on held-out rows{others_too}",
        ),
    ]


def _by_epoch(title: str, y: str, series: Sequence[Series]) -> Markup:
    last = max((x for one in series for x, _ in one.points), default=0.0)
    return Chart(title, "epoch", y, series, x_range=(1.0, last) if last > 1 else None).svg()


def _points(rows: Sequence[Facts], key: str) -> list[Point]:
    """Epochs count from 1; what is not there or not finite is passed over."""
    return [(float(row["epoch"]) + 1, float(row[key])) for row in rows if is_number(row.get(key)) and "epoch" in row]


def count_words(n: int, noun: str) -> str:
    """A number with its noun.

    >>> count_words(1, "architecture"), count_words(1200, "architecture")
    ('1 architecture', '1,200 architectures')
    """
    return f"{n:,} {shown(noun)}{'' if n == 1 else 's'}"
