"""Kinds of value in the configuration that pydantic does not bring."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from enas.files import problem_of_name


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


def _check_folds(value: int) -> int:
    if value == 1:
        raise ValueError("should be 0 (one split), at least 2")
    return value


Count = Annotated[int, Field(ge=1), BeforeValidator(_refuse_bool)]
Natural = Annotated[int, Field(ge=0), BeforeValidator(_refuse_bool)]
Number = Annotated[float, BeforeValidator(_refuse_bool)]
Folds = Annotated[int, Field(ge=0), BeforeValidator(_refuse_bool), AfterValidator(_check_folds)]
RequiredPath = Annotated[Path, BeforeValidator(_blank_is_none)]
OptionalPath = Annotated[Path | None, BeforeValidator(_blank_is_none)]
Delimiter = Annotated[str, Field(min_length=1, max_length=1), BeforeValidator(_spell_delimiter)]
ProjectName = Annotated[str, AfterValidator(_check_name)]
Arc = Annotated[str, Field(pattern=r"^\s*\[?\s*\d+([\s,]+\d+)*\s*\]?\s*$"), BeforeValidator(_join_numbers)]
