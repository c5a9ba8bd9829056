"""What the page says, from which files, and that nothing in it is more than text."""

import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from page.conftest import N_FEATURES, NASTY, SaveRun, feature_names, features_in
from typer.testing import CliRunner

from enas.cli import app
from enas.errors import RunError
from enas.files import write_json
from enas.page import write_page
from enas.run import Run


class Page(HTMLParser):
    """Elements with their attributes, and the text outside of scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._inside: list[str] = []
        self.feed(html)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not self._inside or self._inside[-1] not in ("script", "style"):
            self.words.append(data)

    def count(self, tag: str) -> int:
        return sum(one == tag for one, _ in self.elements)


def page_of(run: Run) -> Page:
    return Page(write_page(run).read_text(encoding="utf-8"))


def test_the_headline_is_of_the_test_rows(save_run: SaveRun) -> None:
    run = save_run()
    accuracy = json.loads((run.output_files / "evaluation.json").read_text(encoding="utf-8"))["metrics"]["accuracy"]
    text = page_of(run).text
    interval = f"95 % interval {accuracy['low']:.3f} to {accuracy['high']:.3f}"
    assert f"accuracy {accuracy['value']:.3f} {interval}, on 60 rows that the model has not seen" in text
    assert "Validation, not test." not in text


def test_without_test_rows_it_is_of_the_validation_rows_with_a_caveat(save_run: SaveRun) -> None:
    text = page_of(save_run("regression")).text
    assert "on 40 validation rows Validation, not test. No test rows were evaluated." in text
    assert "size: residuals. 95 % of them lie between −0.100 and −0.100" in text


def test_rows_that_were_trained_on_are_called_so(save_run: SaveRun) -> None:
    run = save_run()
    path = run.output_files / "evaluation.json"
    write_json(path, json.loads(path.read_text(encoding="utf-8")) | {"n_rows_seen_in_training": 60})
    assert "on 60 rows of the training data The model was trained on all of these rows" in page_of(run).text


def test_a_search_alone_and_a_run_that_broke_off(save_run: SaveRun) -> None:
    run = save_run()
    for file in run.output_files.iterdir():
        file.unlink()
    best = json.loads(run.best_architecture.read_text(encoding="utf-8"))
    write_json(run.best_architecture, best | {"shared_weight_score": 0.75})
    assert "score with shared weights 0.750 on held-out rows of the search" in page_of(run).text
    run.best_architecture.unlink()
    assert "Training did not come to its end, so there is no figure." in page_of(run).text


def test_text_from_data_stays_text(save_run: SaveRun) -> None:
    run = save_run()
    write_json(run.path / "warnings.json", [f"left out: {NASTY}", "{{ 7 * 7 }}"])
    page = page_of(run)
    assert [attributes.get("type") for tag, attributes in page.elements if tag == "script"] == [
        "application/json",
        None,
    ]
    assert page.count("h1") == 1
    for name in (NASTY, "high {{ 7 * 7 }}", "a&b</script>", "=cmd()", "</td>{{ 1 }}", "left out: <script>"):
        assert name in page.text
    assert "49" not in re.findall(r"high \S+", page.text)


def test_nothing_is_fetched(save_run: SaveRun) -> None:
    run = save_run()
    html = write_page(run).read_text(encoding="utf-8")
    for tag, attributes in Page(html).elements:
        for key in ("src", "href"):
            assert (attributes.get(key) or "#").startswith(("#", "data:")), (tag, attributes)
    assert "url(" not in html
    assert "default-src 'none'" in html


def test_all_features_can_be_searched(save_run: SaveRun) -> None:
    run = save_run()
    html = write_page(run).read_text(encoding="utf-8")
    features = features_in(html)
    assert features["names"] == feature_names()
    assert features["values"][0][:4] == [1.0, 0.5, 0.333, 0.25]
    assert features["decimals"] == 3
    assert f"{N_FEATURES - 50} of {N_FEATURES} features have an influence." in html


def test_pages_can_be_read_aloud(save_run: SaveRun) -> None:
    """Headings in order, tables with captions and scopes, pictures with titles."""
    page = page_of(save_run())
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert page.count("caption") == page.count("table") > 4
    assert all(attributes.get("scope") for tag, attributes in page.elements if tag == "th")
    assert all(attributes.get("alt") for tag, attributes in page.elements if tag == "img")
    assert page.count("svg") == sum(
        attributes.get("role") == "img" for tag, attributes in page.elements if tag == "svg"
    )
    assert page.count("title") == page.count("svg") + 1
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert page.elements[0] == ("html", {"lang": "en"})


def test_warnings_are_shown_and_their_absence_is_said(save_run: SaveRun) -> None:
    run = save_run()
    assert "Warnings The run noted none." in page_of(run).text
    write_json(run.path / "warnings.json", ["the smallest class has 3 samples"])
    text = page_of(run).text
    assert "Warnings (1)" in text
    assert "Warnings the smallest class has 3 samples" in text


def linear(value: float | None, low: float = -0.2, high: float = 0.1) -> dict[str, object]:
    figure = {"value": value, "low": None, "high": None}
    return {"name": "L2 <logistic>", "figure": figure, "difference": {"value": -0.05, "low": low, "high": high}}


HONESTY = {
    "random_difference": {"value": 0.01, "low": -0.02, "high": 0.04, "n": 5, "n_scored": 200},
    "kendall_tau": {"value": 0.31, "n": 10},
    "linear": [linear(0.999), linear(0.1, low=0.2, high=0.4)],
    "ranking_stability": {"top20": 0.85, "top100": 0.6, "n": 5, "of": "folds"},
    "validation_test_gap": {"value": 0.05, "low": 0.01, "high": 0.09},
}


def test_honesty_is_shown_where_it_is_known(save_run: SaveRun) -> None:
    text = page_of(save_run(honesty=HONESTY)).text
    for part in (
        "Search minus random architectures at the same budget 0.010 [−0.020, 0.040]",
        "200 random architectures were scored, 5 retrained",
        "The interval holds 0: these rows cannot tell the two apart.",
        "Kendall’s τ, 10 architectures 0.310",
        "top 20: 85 % · top 100: 60 %",
        "on average over 5 folds",
        "Validation minus test 0.050 [0.010, 0.090]",
        "Linear baseline: L2 <logistic> 0.999",
        "Searched networks minus L2 <logistic> −0.050 [0.200, 0.400] Ahead of the linear model, beyond chance.",
    ):
        assert part in text


def test_where_the_linear_model_wins_the_first_lines_say_so(save_run: SaveRun) -> None:
    text = page_of(save_run(honesty=HONESTY)).text
    lead = "A linear model does better here: L2 <logistic> has accuracy 0.999, the searched networks 0."
    assert text.index(lead) < text.index("95 % interval")


@pytest.mark.parametrize("figure", [0.1, None])
def test_where_it_does_not_they_are_silent(save_run: SaveRun, figure: float | None) -> None:
    text = page_of(save_run(honesty={"linear": [linear(figure), linear(0.999)]})).text
    assert "does better here" not in text
    assert "Linear baseline: L2 <logistic>" in text


def test_without_honesty_there_is_no_such_section(save_run: SaveRun) -> None:
    assert "Honesty" not in page_of(save_run()).text


def test_many_classes_have_their_largest_confusions_listed(save_run: SaveRun) -> None:
    run = save_run()
    path, names = run.output_files / "evaluation.json", [f"type {k}" for k in range(40)]
    facts = json.loads(path.read_text(encoding="utf-8"))
    matrix = [[9 * (i == j) for j in range(40)] for i in range(40)]
    matrix[3][5] = 7
    facts["metrics"] |= {"classes": names, "confusion_rows_true_columns_predicted": matrix}
    write_json(path, facts)
    assert "true class predicted class rows type 3 type 5 7" in page_of(run).text


def test_the_run_can_be_made_again(save_run: SaveRun) -> None:
    text = page_of(save_run()).text
    assert 'enas train config.json --architecture "0 1" enas evaluate config.json' in text
    assert "ab" * 32 in text
    assert '"seed": 5' in text
    assert "enas 0.1.0" in text


def test_the_same_files_give_the_same_page_at_any_time(save_run: SaveRun, tmp_path: Path) -> None:
    run = save_run()
    first = write_page(run).read_bytes()
    facts = json.loads(run.environment.read_text(encoding="utf-8"))
    write_json(run.environment, facts | {"created": "2030-01-01T00:00:00+00:00", "command": ["elsewhere"]})
    run.log(stage="train", seconds=3.2)
    run.log(stage="report", seconds=0.1)
    assert write_page(run, tmp_path / "again.html").read_bytes() == first


BAD = ("", "[]", "3", '{"metrics": 3}', '{"metrics": {"mean": 3}, "headline": 3}')


@pytest.mark.parametrize("content", BAD)
@pytest.mark.parametrize("name", ["evaluation.json", "explanation.json"])
def test_damaged_files_are_named(save_run: SaveRun, name: str, content: str) -> None:
    run = save_run()
    (run.output_files / name).write_text(content, encoding="utf-8")
    with pytest.raises(RunError, match=name):
        write_page(run)


def test_damaged_tables_are_named(save_run: SaveRun) -> None:
    run = save_run()
    run.leaderboard.write_text("rank,architecture\n1,2\n", encoding="utf-8")
    with pytest.raises(RunError, match=r"leaderboard\.csv is damaged"):
        write_page(run)


def test_the_command(save_run: SaveRun, tmp_path: Path) -> None:
    run, elsewhere = save_run(), tmp_path / "elsewhere.html"
    done = CliRunner().invoke(app, ["report", str(run.path), "-o", str(elsewhere)])
    assert (done.exit_code, done.stdout.strip()) == (0, str(elsewhere))
    assert not (run.output_files / "report.html").exists()
    done = CliRunner().invoke(app, ["report", str(run.path)])
    assert (done.exit_code, done.stdout.strip()) == (0, str(run.output_files / "report.html"))
    assert (run.output_files / "report.html").read_bytes() == elsewhere.read_bytes()
    failed = CliRunner().invoke(app, ["report", str(tmp_path / "absent")])
    assert failed.exit_code == 2
    assert failed.stderr.startswith("error: there is no run directory")
