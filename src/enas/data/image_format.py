"""The size and the channels that all images of a run are brought to, inferred from the training folder if need be."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from enas.data.decode import quietly, read_header
from enas.data.image_folder import list_images
from enas.errors import DataError
from enas.printable import quoted
from enas.progress import Progress

N_SAMPLED = 2_000


@dataclass(frozen=True, slots=True)
class ImageFormat:
    """What every image becomes.

    Args:
        size: (height, width) in pixels.
        n_channels: 1 (grey) or 3 (red, green, blue).
    """

    size: tuple[int, int]
    n_channels: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return (*self.size, self.n_channels)

    def __str__(self) -> str:
        return f"{self.size[0]} x {self.size[1]}, {'grey' if self.n_channels == 1 else 'colour'}"


def infer_format(
    folder: Path, *, size: int | tuple[int, int] | None, n_channels: int | None, progress: Progress
) -> ImageFormat:
    """The format as far as it is given; else the most common size, and grey or colour by majority.

    Headers alone are read, of at most ``N_SAMPLED`` files spread evenly over the folder. A grey image that is stored as
    RGB counts as colour.

    Args:
        folder: of the training images.
        size: (height, width), or one number for both; None: infer it.
        n_channels: 1 or 3; None: infer it.
        progress: told what was inferred from what.

    Raises:
        DataError: no such folder, no image in it, or none that can be read.
    """
    given = (size, size) if isinstance(size, int) else size
    if given is not None and n_channels is not None:
        return ImageFormat(given, n_channels)
    names = [file.name for file in list_images(folder).files]
    sample = [names[i * len(names) // min(len(names), N_SAMPLED)] for i in range(min(len(names), N_SAMPLED))]
    headers = _read_headers(folder, sample)
    sizes, greys = (Counter(values) for values in zip(*headers, strict=True))
    (common, n_common), (grey, n_alike) = sizes.most_common(1)[0], greys.most_common(1)[0]
    fmt = ImageFormat(given or common, n_channels or (1 if grey else 3))
    found = [] if given else [f"size {_share(n_common, len(headers))}"]
    found += [] if n_channels else [f"{'grey' if grey else 'colour'} {_share(n_alike, len(headers))}"]
    progress.line(f"{folder}: images are {fmt} ({', '.join(found)} of {len(sample):,} of {len(names):,} files)")
    if given is None and 2 * n_common < len(headers):
        progress.warn(f"{folder}: images are of {len(sizes):,} sizes; set trainer.img_size if {fmt.size} is not wanted")
    return fmt


def _read_headers(folder: Path, names: list[str]) -> list[tuple[tuple[int, int], bool]]:
    headers = []
    problem = ""
    with quietly():
        for name in names:
            try:
                headers.append(read_header(folder / name))
            except DataError as error:
                problem = f"{quoted(folder / name)} {error}"
    if not headers:
        raise DataError(f"no image of '{folder}' can be read: {problem}")
    return headers


def _share(n: int, total: int) -> str:
    return "in all" if n == total else f"in {max(1, min(99, round(100 * n / total)))} %"
