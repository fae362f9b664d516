"""The figures of evaluate.py as text: a summary for the terminal, tables for the document."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.nlu import evaluate

if TYPE_CHECKING:
    from bot.nlu.evaluate import Judged, Ratio

BEGIN, END = "<!-- report:begin -->", "<!-- report:end -->"
_FOLDERS = ("zh", "en", "hant", "mixed", "boundary", "places_and_names")
_DENSE = "places_and_names"  # written for the two kinds of which the other folders hold few
_CONFUSIONS = 30


def summary(
    held_out: Sequence[Judged], crossed: Sequence[Judged], goods: dict[str, Any], parse_ms: float
) -> str:
    """The main figures, one a line."""
    return "\n".join(
        f"{name:44s} {value}" for name, value in _figures(held_out, crossed, goods, parse_ms)
    )


def markdown(
    held_out: Sequence[Judged], crossed: Sequence[Judged], goods: dict[str, Any], parse_ms: float
) -> str:
    """Every table of the report."""
    parts = [
        "## Figures",
        _table(("figure", "value"), _figures(held_out, crossed, goods, parse_ms)),
        "## By boundary (line of `boundaries` in the contract)",
        _table(
            ("line", "held out", "cross-validation"),
            (
                (str(line), _told(_of_line(held_out, line)), _told(_of_line(crossed, line)))
                for line in sorted(
                    {one.message.boundary for one in [*held_out, *crossed]} - {None},
                    key=lambda line: line or 0,
                )
            ),
        ),
        "## By intent",
        _table(
            ("intent", "held out, found", "held out, right when said", "cross-validation, found"),
            (
                (
                    intent,
                    _told(evaluate.accuracy(o for o in held_out if o.message.intent == intent)),
                    _told(evaluate.accuracy(o for o in held_out if o.intent == intent)),
                    _told(evaluate.accuracy(o for o in crossed if o.message.intent == intent)),
                )
                for intent in sorted({one.message.intent for one in crossed})
            ),
        ),
        "## What is taken for what (held out, then cross-validation)",
        _table(
            ("labelled", "taken for", "times"),
            _confusions(held_out),
        ),
        _table(("labelled", "taken for", "times"), _confusions(crossed)),
        "## The surest mistakes in cross-validation",
        # The held-out messages stay unread, so that nobody writes towards them.
        _table(
            ("message", "labelled", "taken for", "confidence"),
            (
                (
                    one.message.text.replace("|", "/"),
                    one.message.intent,
                    one.intent,
                    f"{one.confidence:.2f}",
                )
                for one in evaluate.confident_mistakes(crossed)
            ),
        ),
    ]
    return "\n\n".join(parts)


def write(path: Path, text: str) -> None:
    """Put the text between the markers of a document, adding them at its end if missing."""
    document = path.read_text(encoding="utf-8") if path.exists() else "# Understanding\n"
    if BEGIN not in document:
        document = f"{document.rstrip()}\n\n{BEGIN}\n{END}\n"
    head, _, rest = document.partition(BEGIN)
    _, _, tail = rest.partition(END)
    path.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}", encoding="utf-8")


def _figures(
    held_out: Sequence[Judged], crossed: Sequence[Judged], goods: dict[str, Any], parse_ms: float
) -> Iterable[tuple[str, str]]:
    yield "intent accuracy, held out", _told(evaluate.accuracy(held_out))
    for folder in _FOLDERS:
        of_folder = [one for one in held_out if one.message.folder == folder]
        yield f"  of these {folder}", _told(evaluate.accuracy(of_folder))
    yield "macro-F1, held out", f"{evaluate.macro_f1(held_out):.3f}"
    yield "intent accuracy, 5-fold on training messages", _told(evaluate.accuracy(crossed))
    for folder in ("zh", "en"):
        of_folder = [one for one in crossed if one.message.folder == folder]
        yield f"  of these {folder}, 5-fold", _told(evaluate.accuracy(of_folder))
    yield "macro-F1, 5-fold", f"{evaluate.macro_f1(crossed):.3f}"
    for name, judged in (("held out", held_out), ("5-fold", crossed)):
        found, alarms = evaluate.out_of_scope(judged)
        yield f"out_of_scope found, {name}", _told(found)
        yield f"out_of_scope false alarms, {name}", _told(alarms)
    yield "red urgency found, held out", _told(evaluate.red_recall(held_out, goods))
    for kind, (score, count) in evaluate.entity_f1(held_out).items():
        yield f"{kind}, F1 by value, held out", f"{score:.3f} ({count})"
    dense = evaluate.entity_f1([one for one in held_out if one.message.folder == _DENSE])
    rest = evaluate.entity_f1([one for one in held_out if one.message.folder != _DENSE])
    for kind in ("courier_name", "place"):
        for name, figures in ((_DENSE, dense), ("the rest", rest)):
            score, count = figures[kind]
            yield f"  {kind} in {name}", f"{score:.3f} ({count})"
    yield "parse p50, one thread", f"{parse_ms:.1f} ms"


def _of_line(judged: Iterable[Judged], line: int | None) -> Ratio:
    return evaluate.accuracy(one for one in judged if one.message.boundary == line)


def _confusions(judged: Sequence[Judged]) -> list[tuple[str, str, str]]:
    found = evaluate.confusions(judged)[:_CONFUSIONS]
    return [(gold, said, str(count)) for gold, said, count in found]


def _told(ratio: Ratio) -> str:
    return f"{ratio.share:.3f} ({ratio.right}/{ratio.total})" if ratio.total else "–"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
