"""What a bench finds: figures with their targets, as a table for people or one JSON object."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value. A figure without a target only informs, and is always ``ok``."""

    name: str
    value: float
    unit: str
    target: float | None = None
    ok: bool = True
    sign: str = ""
    """How the target is meant: ``≤``, ``<`` or ``≥``; empty without one."""


def plain(name: str, value: float, unit: str) -> Figure:
    """A figure that only informs."""
    return Figure(name, _short(value), unit)


def at_most(name: str, value: float, unit: str, target: float) -> Figure:
    """A figure that meets its target when it is not above it."""
    return Figure(name, _short(value), unit, target, value <= target, "≤")


def below(name: str, value: float, unit: str, target: float) -> Figure:
    """A figure that meets its target when it is really below it."""
    return Figure(name, _short(value), unit, _short(target), value < target, "<")


def at_least(name: str, value: float, unit: str, target: float) -> Figure:
    """A figure that meets its target when it reaches it."""
    return Figure(name, _short(value), unit, target, value >= target, "≥")


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of ``values`` that ``share`` of them do not exceed (nearest rank).

    Raises ValueError for no values: a bench that measured nothing has failed.
    """
    if not values:
        raise ValueError("nothing was measured")
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]


def as_json(figures: Sequence[Figure]) -> str:
    """One object: ``{figure: {value, unit, target, ok}}``."""
    return json.dumps(
        {
            figure.name: {
                "value": figure.value,
                "unit": figure.unit,
                "target": figure.target,
                "ok": figure.ok,
            }
            for figure in figures
        },
        ensure_ascii=False,
    )


def as_table(title: str, figures: Sequence[Figure]) -> Table:
    """The same for people."""
    table = Table(title=title, title_justify="left")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("unit")
    table.add_column("target", justify="right")
    table.add_column("")
    for figure in figures:
        target = "" if figure.target is None else f"{figure.sign} {figure.target:g}"
        mark = "" if figure.target is None else "[green]ok[/]" if figure.ok else "[red]missed[/]"
        table.add_row(figure.name, f"{figure.value:g}", figure.unit, target, mark)
    return table


def _short(value: float) -> float:
    """Four digits are more than any of these measurements can tell."""
    return float(f"{value:.4g}")
