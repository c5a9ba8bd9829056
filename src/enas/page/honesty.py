"""What the run says against itself: the page's rows of ``honesty.json``."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from markupsafe import Markup

from enas.page.result import Headline
from enas.page.saved import Facts, Saved, reading
from enas.page.text import estimate, fixed, is_number, shown


def linear_wins(saved: Saved, headline: Headline) -> str:
    """A sentence if the linear model that validation rows chose is ahead on the rows of the headline, else nothing."""
    with reading(saved.output("honesty.json")):
        for one in saved.honesty.get("linear", ())[:1]:
            theirs, ours = one["figure"]["value"], headline.figure.get("value")
            if is_number(theirs) and is_number(ours) and theirs > ours:
                return (
                    f"A linear model does better here: {shown(one['name'])} has {headline.name} {fixed(theirs)}, "
                    f"the searched networks {fixed(ours)}. {_read_difference(one['difference'], 'linear model')}"
                )
    return ""


def list_honesty(saved: Saved) -> list[tuple[str, Markup, str]]:
    """What was asked, the answer, and how to read it; one row per fact of ``honesty.json``."""
    with reading(saved.output("honesty.json")):
        return [*_honesty(saved.honesty)]


def _honesty(facts: Facts) -> Iterator[tuple[str, Markup, str]]:
    for one in facts.get("linear", ()):
        text = "Same split, same rows as the headline; its penalty was chosen as the networks' epochs were."
        yield f"Linear baseline: {shown(one['name'])}", estimate(one["figure"]), text
        text = _read_difference(one["difference"], "linear model")
        yield f"Searched networks minus {shown(one['name'])}", estimate(one["difference"]), text
    if one := facts.get("random_difference"):
        text = (
            f"Held-out rows of training; {one['n_scored']} random architectures were scored, {one['n']} retrained, "
            f"as many as by the search. {_read_difference(one, 'random search')}"
        )
        yield "Search minus random architectures at the same budget", estimate(one), text
    if one := facts.get("kendall_tau"):
        text = "Rank correlation of the scores with shared weights and after retraining: 1 is the same order, 0 none."
        yield f"Kendall’s τ, {one['n']} architectures", Markup(fixed(one["value"])), text
    if one := facts.get("ranking_stability"):
        shares = [f"top {key.removeprefix('top')}: {100 * one[key]:.0f} %" for key in ("top20", "top100") if key in one]
        text = (
            f"Features that two refits have in common among their first, on average over {one['n']} {shown(one['of'])}."
        )
        yield "Stability of the feature ranking", Markup(" · ").join(shares), text
    if one := facts.get("validation_test_gap"):
        yield "Validation minus test", estimate(one), "What the choice by validation rows has flattered."


def _read_difference(one: Mapping[str, Any], rival: str) -> str:
    low, high = one.get("low", math.nan), one.get("high", math.nan)
    if not is_number(low) or not is_number(high):
        return ""
    if low > 0:
        return f"Ahead of the {rival}, beyond chance."
    if high < 0:
        return f"Behind the {rival}, beyond chance."
    return "The interval holds 0: these rows cannot tell the two apart."
