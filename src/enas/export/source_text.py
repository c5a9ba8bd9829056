"""Pieces of Python text that the sources of tables and of images share."""

import re
from collections.abc import Mapping, Sequence


def indent(lines: Sequence[str], n_levels: int) -> str:
    """The lines, each moved to the right by four blanks a level.

    >>> indent(["a", "b"], 1)
    '    a\\n    b'
    """
    return "\n".join(f"{'    ' * n_levels}{line}" if line else "" for line in lines)


def needed(text: str, snippets: Mapping[str, str]) -> list[str]:
    """The snippets that the text calls for by name, or that one of these calls for, in the order of ``snippets``.

    >>> needed("pool(x)", {"pad": "def pad(x): ...", "pool": "def pool(x): pad(x)", "other": "def other(): ..."})
    ['def pad(x): ...', 'def pool(x): pad(x)']
    """
    chosen: set[str] = set()
    waiting = [text]
    while waiting:
        part = waiting.pop()
        found = {name for name in snippets if re.search(rf"(?<![\w.]){name}\b", part)} - chosen
        chosen |= found
        waiting += [snippets[name] for name in found]
    return [snippet for name, snippet in snippets.items() if name in chosen]


def weigh(weight: float, term: str) -> str:
    """The term times its weight, which is left out where it is 1.

    >>> weigh(0.25, "x"), weigh(1.0, "x")
    ('0.25 * x', 'x')
    """
    return term if weight == 1 else f"{weight!r} * {term}"


LOADING = '''
def load() -> Model:
    """The trained model, ready to predict."""
    model = Model()
    model.load_state_dict(load_file(HERE / "model.safetensors"))
    return model.eval()
'''.strip()

PRINTING = '''
def write_predictions(batches: Iterator[tuple[list[str], Tensor]], classes: list[str], targets: list[str]) -> None:
    """A table on standard output, a row per sample: the class and the probability of every class, or the values."""
    writer = csv.writer(sys.stdout, lineterminator="\\n")
    names = [f"softmax_{name}" for name in classes]
    writer.writerow(["sample_id", *(["predicted_result", *names] if classes else [f"predicted_{t}" for t in targets])])
    for ids, outputs in batches:
        for sample_id, row in zip(ids, outputs if not classes else outputs.softmax(dim=1), strict=True):
            writer.writerow([sample_id, *([classes[int(row.argmax())]] if classes else []), *map(float, row)])
'''.strip()
