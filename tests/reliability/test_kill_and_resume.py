"""A run that is killed anywhere and resumed ends with the same files as one that nobody disturbed."""

import os
import random
from collections import Counter

import pytest
from reliability.studies import Reference, differing, files_of, kill

N_KILLS = {"tables": 14, "images": 6}
"""At random moments; ``ENAS_KILLS`` asks for as many of each."""

STAGES = (
    ("step:", 3),
    ("search:", 1),
    ("controller step", 2),
    ("controller step", 3),
    ("deriving", 1),
    ("deriving", 2),
    ("training [", 1),
    ("training [", 4),
    ("training arc", 1),
    ("training [", 3),
    ("Random architectures", 1),
    ("scoring", 1),
    ("training [", 3),
    ("scoring", 3),  # again, with a random architecture under way
    ("training arc", 1),
    ("training [", 2),
    ("linear models", 1),
    ("Best arc", 1),
    ("Everything is in", 1),
    ("Evaluation", 1),
    ("Prediction", 1),
)
"""Words of the log, and at which of their occurrences the process dies; each time it goes on from the one before."""


def test_killed_at_random_moments(reference: Reference, request: pytest.FixtureRequest) -> None:
    """Again and again, each time a little further on; a run that comes to its end is compared, and another begins."""
    study, chance, places = reference.study, random.Random(0), Counter[str]()
    n_kills = int(os.environ.get("ENAS_KILLS", N_KILLS[request.node.callspec.id]))
    while places.total() < n_kills:
        if kill(study.start(), chance.uniform(0.02, 0.7) * reference.seconds):
            places[study.where()] += 1
        elif not study.can_resume:
            assert differing(files_of(study.newest), reference.files) == set()
    assert differing(files_of(study.finish()), reference.files) == set()
    print(places)


def test_killed_in_every_stage(reference: Reference) -> None:
    study = reference.study
    for word, n in STAGES:
        process = study.start((word, n))
        process.join(120)
        assert process.exitcode not in (0, 1, None), (word, n)
        assert study.can_resume, (word, n)
    assert differing(files_of(study.finish()), reference.files) == set()
