"""Where enas keeps what it can make again: compiled kernels, and the fonts that matplotlib found.

``$ENAS_CACHE_DIR``, else the platform's place: ``~/.cache/enas`` on Linux, ``~/Library/Caches/enas`` on macOS,
``%LOCALAPPDATA%\\enas\\Cache`` on Windows.
"""

import os
from pathlib import Path

import platformdirs

from enas.errors import RunError


def cache_folder() -> Path:
    """The folder, absolute; it need not exist.

    Raises:
        RunError: the user has no home folder, and none is named.
    """
    if named := os.environ.get("ENAS_CACHE_DIR"):
        return Path(os.path.abspath(os.path.expanduser(named)))
    try:
        return platformdirs.user_cache_path("enas", appauthor=False)
    except RuntimeError:
        problem = "there is no home folder for the cache; name a folder in the variable ENAS_CACHE_DIR"
        raise RunError(problem) from None


def private_folder(name: str) -> Path:
    """The folder ``name`` in the cache, made if need be, where nobody else may write: for files that are executed.

    Raises:
        RunError: it cannot be made, belongs to somebody else, or others may write there.
    """
    folder = cache_folder() / name
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        is_ours = _is_ours(folder)
    except OSError as error:
        raise RunError(f"the cache folder {folder} cannot be made: {error.strerror or error}") from error
    if not is_ours:
        raise RunError(
            f"others may write to the cache folder {folder}, and what lies there is executed: delete it, or name a "
            "folder of your own in the variable ENAS_CACHE_DIR"
        )
    return folder


def _is_ours(folder: Path) -> bool:
    if os.name != "posix":  # a Windows profile belongs to its user
        return True
    info = folder.stat()
    return info.st_uid == os.geteuid() and not info.st_mode & 0o022
