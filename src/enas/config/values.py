"""Kinds of value in the configuration that pydantic does not bring."""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from enas.errors import ConfigError
from enas.files import problem_of_name
from enas.search_space import Architecture


def _refuse_bool(value: object) -> object:
    """``true`` is not 1, though Python says so."""
    if isinstance(value, bool):
        raise ValueError("should be a number, not true or false")
    return value


def _blank_is_none(value: object) -> object:
    return None if value == "" else value


def _join_numbers(value: object) -> object:
    """``[3, 0, 1]`` as the text ``3 0 1``."""
    if isinstance(value, list | tuple) and all(type(item) is int for item in value):
        return " ".join(map(str, value))
    return value


def _spell_delimiter(value: object) -> object:
    """The character that a word or an escaped escape stands for."""
    words = {"\\t": "\t", "tab": "\t", "space": " ", "comma": ",", "semicolon": ";"}
    return words.get(value.lower(), value) if isinstance(value, str) else value


def _check_name(name: str) -> str:
    """The name becomes a folder, on every operating system."""
    if problem := problem_of_name(name):
        raise ValueError(f"should be fit for a folder; it {problem}")
    return name


def _check_arc(text: str) -> str:
    try:
        Architecture.from_text(text)
    except ConfigError as error:
        raise ValueError(f"is no architecture: {error}") from None
    return text


def _check_folds(value: int) -> int:
    if value == 1:
        raise ValueError("should be 0 (one split), at least 2")
    return value


def _check_even(value: int) -> int:
    if value % 2:
        raise ValueError("should be even")
    return value


def _check_store(uri: str | None) -> str | None:
    """The config is kept with the run and shown in its report, so it holds no password."""
    if uri is None:
        return None
    parts = urlsplit(uri)
    if parts.username or parts.password:
        raise ValueError(
            "should hold no user and password; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD instead"
        )
    if len(parts.scheme) > 1 and parts.scheme not in ("file", "sqlite", "http", "https"):
        raise ValueError("should be sqlite:///FILE, a folder (file:FOLDER), or a server (https://…)")
    if parts.scheme == "sqlite" and (not uri.startswith("sqlite:///") or not uri[10:]):
        raise ValueError("should name a file: sqlite:///mlflow.db")
    return uri


NOT_BOOL = BeforeValidator(_refuse_bool)  # bounds go before it; pydantic writes those behind it wrongly in the schema
EVEN = AfterValidator(_check_even)
Count = Annotated[int, Field(ge=1, lt=2**31), NOT_BOOL]
Natural = Annotated[int, Field(ge=0, lt=2**31), NOT_BOOL]
Number = Annotated[float, NOT_BOOL]
Folds = Annotated[int, Field(ge=0), NOT_BOOL, AfterValidator(_check_folds)]
RequiredPath = Annotated[Path, BeforeValidator(_blank_is_none)]
OptionalPath = Annotated[Path | None, BeforeValidator(_blank_is_none)]
Delimiter = Annotated[str, Field(min_length=1, max_length=1), BeforeValidator(_spell_delimiter)]
ProjectName = Annotated[str, AfterValidator(_check_name)]
Arc = Annotated[
    str,
    Field(pattern=r"^\s*\[?\s*[0-9]+([\s,]+[0-9]+)*[\s,]*\]?\s*$"),
    BeforeValidator(_join_numbers),
    AfterValidator(_check_arc),
]

Seed = Annotated[int, Field(ge=0, lt=2**32, description="The same seed gives the same run."), NOT_BOOL]
Device = Annotated[str, Field(pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$", description="auto, cpu, cuda, cuda:1, mps.")]
Precision = Annotated[Literal["float32", "bfloat16"], Field(description="Number format of the heavy products.")]
CompareWithRandom = Annotated[
    bool, Field(description="Retrain as many random architectures, too, and say what the search has beyond them.")
]
TimeLimit = Annotated[Number | None, Field(gt=0, description="Seconds after which a run ends early; null: no limit.")]
CheckpointSeconds = Annotated[
    Number, Field(ge=0, description="Seconds between two checkpoints, at most; 0: every step.")
]
CheckpointEpochs = Annotated[
    int | None, Field(ge=1, description="Epochs between two checkpoints; null: by seconds only."), NOT_BOOL
]
MaxMemory = Annotated[Number | None, Field(gt=0, description="GiB that the process may take; null: no limit.")]
MlflowStore = Annotated[
    str | None,
    BeforeValidator(_blank_is_none),
    AfterValidator(_check_store),
    Field(description="MLflow's tracking URI, such as sqlite:///mlflow.db, a folder or a server; null: no MLflow."),
]
