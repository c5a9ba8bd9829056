"""At home everywhere: odd paths, the user's umask, nothing written where it does not belong, no call of POSIX alone."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

SOURCES = sorted((Path(__file__).parents[1] / "src").rglob("*.py"))
ODD = "Zoë's Daten – 数据 (1)"


def write_tables(folder: Path) -> dict[str, Any]:
    """Two tables whose classes the first three features tell apart; a quick configuration of them."""
    generator = np.random.default_rng(0)
    for stem, n in (("Größe x", 30), ("Test 值", 12)):
        labels = np.arange(n) % 2
        x = generator.normal(size=(n, 6)).round(3) + 3 * labels[:, None]
        rows = [f"Prøve {i}\t" + "\t".join(map(str, row)) for i, row in enumerate(x)]
        classes = [f"Prøve {i}\t{('tief', 'höher')[label]}" for i, label in enumerate(labels)]
        header = "id\t" + "\t".join(f"gène {i}" for i in range(6))
        (folder / f"{stem}.tsv").write_text("\n".join([header, *rows, ""]), encoding="utf-8")
        (folder / f"{stem} labels.tsv").write_text("\n".join(["id\tKlasse", *classes, ""]), encoding="utf-8")

    def section(stem: str) -> dict[str, Any]:
        args = {"data_dir": f"../{folder.name}", "features_file": f"{stem}.tsv", "labels_file": f"{stem} labels.tsv"}
        return {"args": args}

    trainer = {
        "batch_size": 8,
        "max_search_channel": 64,
        "max_number_of_epoches_in_search": 1,
        "max_number_of_epoches_in_fixed": 2,
        "save_dir": "../saved über",
    }
    tables = {key: section("Test 值") for key in ("data_evaluate", "data_predict")} | {"data_train": section("Größe x")}
    explainer = {"args": {"num_samples": 4, "ranked_outputs": 3}}
    return {"name": "quick", "trainer": trainer, "controller": {"train_steps": 1}, "explainer": explainer, **tables}


def write_images(folder: Path) -> dict[str, Any]:
    """Two classes of images, the left or the upper half bright; a quick configuration of them."""
    generator = np.random.default_rng(0)
    for split, n in (("Übung", 8), ("Prüfung", 4), ("Test 集", 4)):
        for name, bright in (("links ←", np.s_[:, :4]), ("oben ↑", np.s_[:4])):
            (folder / split / name).mkdir(parents=True)
            for i in range(n):
                pixels = generator.integers(0, 80, (8, 8)).astype(np.uint8)
                pixels[bright] += 150
                Image.fromarray(pixels).save(folder / split / name / f"Bild № {i}.png")
    network = {"child_num_layers": 1, "child_out_filters": 4, "num_epochs": 1, "batch_size": 8, "child_lr_T_0": 1}
    folders = {"train_data_dir": "Übung", "val_data_dir": "Prüfung", "test_data_dir": "Test 集"}
    data = {key: f"../{folder.name}/{name}" for key, name in folders.items()}
    search = {"child_num_cells": 2, "controller_train_steps": 1, "n_derived": 4, "output_dir": "../saved über"}
    return {
        "name": "pictures",
        "trainer": data | search | network,
        "retrain": network,
        "data_predict": {"args": {"data_dir": data["test_data_dir"]}},
        "explainer": {"args": {"num_samples": 2, "ranked_outputs": 2}},
    }


def everything(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of all files below a folder, by relative path."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


@pytest.mark.parametrize("write", [write_tables, write_images])
def test_a_whole_run(tmp_path: Path, write: Any) -> None:
    """In folders with odd names; nothing changes but the folder to save in and the cache, all with the user's modes."""
    root = tmp_path / ODD
    for name in ("data é", "configs ß", "home", "xdg", "temporary", "here"):
        (root / name).mkdir(parents=True)
    config = root / "configs ß" / "plän.json"
    config.write_text(json.dumps(write(root / "data é") | {"device": "cpu"}, ensure_ascii=False), encoding="utf-8")
    before = everything(root)
    places = {"HOME": "home", "USERPROFILE": "home", "XDG_CACHE_HOME": "xdg", "XDG_CONFIG_HOME": "xdg"}
    places |= {"TMPDIR": "temporary", "TEMP": "temporary", "TMP": "temporary", "ENAS_CACHE_DIR": "cache"}
    done = subprocess.run(
        [sys.executable, "-m", "enas", "run", str(config)],
        env={key: value for key, value in os.environ.items() if key != "MPLCONFIGDIR"}
        | {key: str(root / name) for key, name in places.items()}
        | {"ENAS_NATIVE": "0", "PYTHONIOENCODING": "utf-8"},
        cwd=root / "here",
        umask=0o027 if os.name == "posix" else -1,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    after = everything(root)
    assert {name: after.get(name) for name in before} == before
    assert {Path(name).parts[0] for name in set(after) - set(before)} == {"saved über", "cache"}
    assert [path.name for path in (root / "cache").iterdir()] == ["matplotlib"]
    for place in ("home", "xdg", "temporary", "here"):
        assert list((root / place).iterdir()) == []
    if os.name == "posix":
        made = [path for place in ("saved über", "cache") for path in (root / place).rglob("*")]
        assert {oct(path.stat().st_mode & 0o777) for path in made if path.is_dir()} == {"0o750"}
        assert {oct(path.stat().st_mode & 0o777) for path in made if path.is_file()} == {"0o640"}
    table = next((root / "saved über").rglob("enas_predicted_result_data_frame.csv")).read_text(encoding="utf-8")
    assert ("Prøve 3" if write is write_tables else "oben ↑/Bild № 3.png") in table


MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}
OF_POSIX = {
    "os": """chown chroot confstr fchmod fchown fdatasync fork forkpty getegid geteuid getgid getgroups getloadavg
        getpgid getpriority getsid getuid initgroups kill killpg lchown lockf mkfifo mknod nice openpty pipe2
        posix_fadvise posix_fallocate posix_spawn pread pwrite sched_getaffinity sched_setaffinity sendfile setegid
        seteuid setgid setpgid setsid setuid statvfs sync sysconf ttyname uname wait wait3 wait4 O_CLOEXEC
        O_DIRECTORY O_NOFOLLOW O_SYNC WNOHANG""",
    "signal": """SIGALRM SIGCHLD SIGCONT SIGHUP SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGTSTP SIGUSR1 SIGUSR2 SIGXCPU SIGXFSZ
        alarm pause pthread_kill setitimer sigwait""",
}
GUARDS = ("os.name", "sys.platform", "platform.system()", "hasattr(")


def only_posix(node: ast.AST) -> bool:
    if isinstance(node, ast.Import):
        return any(alias.name in MODULES for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        return node.module in MODULES
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return node.attr in OF_POSIX.get(node.value.id, "").split()
    return isinstance(node, ast.Constant) and node.value in ("fork", "forkserver")


def unguarded(tree: ast.Module, source: str) -> Iterator[int]:
    """Lines of what only POSIX has, in functions (or outside of all) that do not ask for the system."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    for node in ast.walk(tree):
        if only_posix(node):
            line = getattr(node, "lineno", 0)
            around = [one for one in functions if one.lineno <= line <= (one.end_lineno or 0)]
            text = ast.get_source_segment(source, around[-1]) if around else source.splitlines()[line - 1]
            if not any(guard in (text or "") for guard in GUARDS):
                yield line


def in_default_encoding(tree: ast.Module) -> Iterator[int]:
    """Lines that read or write text without saying how it is encoded."""
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if "encoding" not in {keyword.arg for keyword in call.keywords} and is_text(call):
            yield call.lineno


def is_text(call: ast.Call) -> bool:
    is_method = isinstance(call.func, ast.Attribute)
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    if name == "open":
        places = call.args[:1] if is_method else call.args[1:2]
        (mode,) = (given["mode"],) if "mode" in given else places or (ast.Constant("r"),)
        return isinstance(mode, ast.Constant) and set(str(mode.value)) <= set("rwxat+")
    if name in ("run", "Popen", "check_output"):
        return bool(given.keys() & {"text", "universal_newlines"})
    return is_method and name in ("read_text", "write_text")


def faults(source: str) -> list[int]:
    tree = ast.parse(source)
    return [*unguarded(tree, source), *in_default_encoding(tree)]


def test_no_source_has_such_a_fault() -> None:
    assert len(SOURCES) > 80
    found = {path.stem: faults(path.read_text(encoding="utf-8")) for path in SOURCES}
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    ("source", "is_fault"),
    [
        ("import fcntl", True),
        ("from resource import getrusage", True),
        ("def f():\n    os.kill(1, 0)", True),
        ("def f():\n    if os.name == 'posix':\n        os.kill(1, 0)", False),
        ("n = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else 1", False),
        ("signal.signal(signal.SIGHUP, f)", True),
        ("signal.signal(signal.SIGTERM, f)", False),
        ("get_context('fork')", True),
        ("get_context('spawn')", False),
        ("path.read_text()", True),
        ("path.read_text(encoding='utf-8')", False),
        ("path.open()", True),
        ("path.open('w')", True),
        ("open(path)", True),
        ("Image.open(file)", False),
        ("path.open('rb')", False),
        ("path.open(mode='w')", True),
        ("open('a.txt', 'w', encoding='utf-8')", False),
        ("subprocess.run(command, text=True)", True),
    ],
)
def test_what_is_a_fault(source: str, is_fault: bool) -> None:
    assert bool(faults(source)) == is_fault
