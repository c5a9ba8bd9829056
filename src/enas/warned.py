"""Warnings of a run, kept in ``warnings.json`` so that its report can show them.

Data are read before there is a run, so what is warned of meanwhile waits until one is there. A run that is resumed
reads and trains as before and warns again; each text is kept once, in the order of its first appearance. So a run that
was killed and resumed ends with the same file.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from enas.errors import RunError
from enas.files import read_json, write_json
from enas.progress import Progress
from enas.run import Run

FILE = "warnings.json"
"""In the run directory; there only if something was warned of."""


class Warned:
    """A `Progress` that passes everything on and keeps the warnings.

    Args:
        progress: where everything goes.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._waiting: list[str] = []
        self._run: Run | None = None

    def line(self, text: str) -> None:
        self._progress.line(text)

    def warn(self, text: str) -> None:
        self._progress.warn(text)
        self._waiting.append(text.removeprefix("warning:").strip())
        self._keep()

    def stage(self, title: str, total: int) -> AbstractContextManager[Callable[[str], None]]:
        return self._progress.stage(title, total)

    @contextmanager
    def into(self, run: Run) -> Iterator[None]:
        """Keep what is waiting, and what is warned of inside, in this run; the caller holds its lock.

        Raises:
            RunError: the file cannot be read or written.
        """
        self._run = run
        try:
            self._keep()
            yield
        finally:
            self._run = None

    def _keep(self) -> None:
        if self._run is None or not self._waiting:
            return
        path = self._run.path / FILE
        known = read_warnings(path)
        new = [text for text in dict.fromkeys(self._waiting) if text not in known]
        if new:
            write_json(path, [*known, *new])
        self._waiting.clear()


def read_warnings(path: Path) -> list[str]:
    """The texts that are kept in a file, none if there is no such file.

    Raises:
        RunError: it is damaged.
    """
    if not path.is_file():
        return []
    texts = read_json(path)
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise RunError(f"{path} is damaged: it is not a list of texts; delete it")
    return texts
