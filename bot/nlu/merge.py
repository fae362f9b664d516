"""One set of entities from several finders: none overlapping, the surest kept.

Rasa appends what each extractor finds and never settles quarrels; a form would then be filled
with a phone number cut out of a waybill.
"""

from __future__ import annotations

from collections.abc import Iterable

from bot.nlu.tagger import Span

# A number's shape is certain where a tagger guesses; a learned label beats a word list.
_TRUST = {"numbers": 3, "tagger": 2, "lexicon": 1}


def merge(spans: Iterable[Span]) -> list[Span]:
    """Keep the most trusted of overlapping spans (then the surest, then the longest), in order."""

    def rank(span: Span) -> tuple[int, float, int]:
        return _TRUST.get(span.source, 0), span.confidence, span.end - span.start

    kept: list[Span] = []
    for span in sorted(spans, key=rank, reverse=True):
        if all(span.end <= other.start or span.start >= other.end for other in kept):
            kept.append(span)
    return sorted(kept, key=lambda span: span.start)
