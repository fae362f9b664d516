"""Policy files: YAML a company edits, read once at start and checked against a pydantic model."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Annotated, TypeVar

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from store.errors import PolicyError

Word = Annotated[str, StringConstraints(min_length=1)]
"""Looked for in messages: one without a letter stands in each of them."""
WordLists = Annotated[
    dict[str, Annotated[tuple[Word, ...], Field(min_length=1)]], Field(min_length=1)
]
"""Words by language, to be looked for in messages: an empty list would find them all."""


class Policy(BaseModel):
    """Base of every policy: unknown names are mistakes, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def one_of(name: str, names: str, what: str, info: ValidationInfo) -> str:
    """``name``, if it is among those that the policy was read with as ``names``; else ValueError
    says that it is not ``what`` and lists them."""
    known: Collection[str] = (info.context or {}).get(names, ())
    if name not in known:
        raise ValueError(f"{name!r} is not {what}: {', '.join(sorted(known))}")
    return name


def all_of(named: frozenset[str], names: str, what: str, info: ValidationInfo) -> frozenset[str]:
    """``named``, if ``one_of`` holds for each of them."""
    return frozenset(one_of(name, names, what, info) for name in sorted(named))


def fault(place: tuple[int | str, ...], words: str) -> ValidationError:
    """For validators to raise: a mistake deeper in what they were given, on the way ``place``."""
    told = PydanticCustomError("policy", "{words}", {"words": words})
    return ValidationError.from_exception_data(
        "policy", [InitErrorDetails(type=told, loc=place, input=None)]
    )


AnyPolicy = TypeVar("AnyPolicy", bound=BaseModel)


def load(path: Path, shape: type[AnyPolicy], **context: object) -> AnyPolicy:
    """The policy in ``path``; PolicyError names file, line, place and what is allowed there.

    ``context`` is what its validators must know of other policies.
    """
    return parse(read(path), path, shape, **context)


def read(path: Path) -> str:
    """The text of a policy. PolicyError if there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise PolicyError(f"{path} is missing") from error


def parse(text: str, path: Path | str, shape: type[AnyPolicy], **context: object) -> AnyPolicy:
    """``load`` of a text; ``path`` is what its errors call it."""
    try:
        document = yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise PolicyError(f"{path} is not YAML: {error}") from error
    except ValueError as error:
        raise PolicyError(f"{path}: line {_unreadable(text)}: {error}") from error
    try:
        return shape.model_validate(document or {}, context=context)
    except ValidationError as error:
        faults = "; ".join(
            f"line {_line(text, fault['loc'])}, {'.'.join(map(str, fault['loc']))}: {fault['msg']}"
            for fault in error.errors()
        )
        raise PolicyError(f"{path}: {faults}") from error


def _unreadable(text: str) -> int:
    """The line of the first value that YAML takes for a date no calendar has, counted from 1."""
    loader = yaml.SafeLoader(text)
    nodes: list[yaml.Node | None] = [loader.get_single_node()]
    for node in nodes:
        if isinstance(node, yaml.MappingNode):
            nodes += [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            nodes += node.value
        elif isinstance(node, yaml.ScalarNode):
            try:
                loader.construct_object(node)
            except ValueError:
                return node.start_mark.line + 1
    return 1


def _line(text: str, place: tuple[int | str, ...]) -> int:
    """The line of the deepest part of ``place`` that the file holds, counted from 1."""
    node = yaml.compose(text)
    line = 1
    for part in place:
        if isinstance(node, yaml.MappingNode):
            found = next((pair for pair in node.value if pair[0].value == str(part)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line
