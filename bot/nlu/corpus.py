"""The messages the bot learns from and is tested on: reading, near duplicates, leakage.

Needs only PyYAML, so that it can run before anything else is installed.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

ENTITIES = frozenset(
    {"waybill_no", "ticket_no", "phone", "goods", "place", "time", "amount", "courier_name"}
)
NEAR_DUPLICATE = 0.7
_ANNOTATION = re.compile(r"\[([^\[\]]+)\]\(([^()]*)\)")
_EDGE = re.compile(r"\b|(?<=[\u3400-\u9fff])|(?=[\u3400-\u9fff])")  # where a word can begin or end
_NOT_TEXT = re.compile(r"[\W_]+")


class CorpusError(ValueError):
    """A data file that cannot be read as messages; the text names file and fault."""


@dataclass(frozen=True, slots=True)
class Entity:
    """A labelled stretch of a message: ``text[start:end] == value``."""

    start: int
    end: int
    value: str
    kind: str


@dataclass(frozen=True, slots=True)
class Message:
    """One labelled message. ``boundary`` is the line of the contract it tests, from 1."""

    text: str
    intent: str
    path: Path
    folder: str
    boundary: int | None = None
    entities: tuple[Entity, ...] = field(default=())


def parse_line(line: str) -> tuple[str, tuple[Entity, ...]]:
    """Split ``单号[SF1](waybill_no)`` into plain text and its entities."""
    plain: list[str] = []
    entities: list[Entity] = []
    position = length = 0
    for match in _ANNOTATION.finditer(line):
        before = line[position : match.start()]
        length += len(before)
        value, kind = match.groups()
        if kind not in ENTITIES:
            raise CorpusError(f"unknown entity {kind!r} in {line!r}")
        entities.append(Entity(length, length + len(value), value, kind))
        plain += [before, value]
        length += len(value)
        position = match.end()
    plain.append(line[position:])
    text = "".join(plain)
    if "[" in text or "](" in text:
        raise CorpusError(f"stray bracket in {line!r}")
    return text, tuple(entities)


def read(path: Path) -> Iterator[Message]:
    """Every message of one Rasa NLU file (blocks of ``examples: |`` with ``- `` lines)."""
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        blocks = document["nlu"]
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise CorpusError(f"{path}: not a Rasa NLU file: {error}") from error
    for block in blocks:
        if "intent" not in block:
            continue
        boundary = (block.get("metadata") or {}).get("boundary")
        for raw in block["examples"].splitlines():
            if not raw.strip():
                continue
            if not raw.startswith("- "):
                raise CorpusError(f"{path}: a message must start with '- ': {raw!r}")
            try:
                text, entities = parse_line(raw[2:].strip())
            except CorpusError as error:
                raise CorpusError(f"{path}: {error}") from error
            yield Message(text, block["intent"], path, path.parent.name, boundary, entities)


def load(root: Path) -> list[Message]:
    """Every message below ``root``, in a stable order."""
    return [message for path in sorted(root.rglob("*.yml")) for message in read(path)]


def trigrams(text: str) -> frozenset[str]:
    """Character 3-grams of the text without spaces and punctuation, lower case."""
    bare = _NOT_TEXT.sub("", text.lower())
    if len(bare) < 3:
        return frozenset({bare})
    return frozenset(bare[i : i + 3] for i in range(len(bare) - 2))


def near_duplicates(
    messages: Iterable[Message], against: Iterable[Message] = (), threshold: float = NEAR_DUPLICATE
) -> list[tuple[float, Message, Message]]:
    """Pairs whose 3-gram Jaccard exceeds ``threshold``, most alike first.

    With ``against``, pairs across the two collections; else pairs within ``messages``. Exact, by
    prefix filtering (Chaudhuri and others 2006): two sets that alike share one of their rarest
    grams, so only messages that do are compared.
    """
    own, other = list(messages), list(against)
    known = other or own
    bags = [trigrams(message.text) for message in known]
    mine = [trigrams(message.text) for message in own] if other else bags
    frequency = Counter(gram for bag in (*bags, *(mine if other else ())) for gram in bag)

    def rarest(bag: frozenset[str]) -> list[str]:
        ordered = sorted(bag, key=lambda gram: (frequency[gram], gram))
        return ordered[: len(bag) - math.ceil(threshold * len(bag)) + 1]

    index: dict[str, list[int]] = defaultdict(list)
    if other:
        for number, bag in enumerate(bags):
            for gram in rarest(bag):
                index[gram].append(number)
    pairs = []
    for number, (message, bag) in enumerate(zip(own, mine, strict=True)):
        prefix = rarest(bag)
        for candidate in {i for gram in prefix for i in index[gram]}:
            common = len(bag & bags[candidate])
            jaccard = common / (len(bag) + len(bags[candidate]) - common)
            if jaccard > threshold:
                pairs.append((jaccard, known[candidate], message))
        if not other:
            for gram in prefix:
                index[gram].append(number)
    return sorted(pairs, key=lambda pair: -pair[0])


def counts(messages: Iterable[Message]) -> dict[str, Counter[str]]:
    """Messages per folder (language) and intent."""
    table: dict[str, Counter[str]] = defaultdict(Counter)
    for message in messages:
        table[message.folder][message.intent] += 1
    return dict(table)


def uneven(messages: Iterable[Message], kind: str) -> list[tuple[str, int, int]]:
    """Words marked as ``kind`` in some messages and bare in others: (word, marked, bare).

    Those most often both come first. Many are right (a shop is a place where a parcel lies, none
    where it sells something); which, only reading tells.
    """
    known = list(messages)
    marked = Counter(e.value.lower() for m in known for e in m.entities if e.kind == kind)
    longest = max(map(len, marked), default=0)
    bare: Counter[str] = Counter()
    for message in known:
        text = message.text.lower()
        for entity in message.entities:
            size = entity.end - entity.start
            text = f"{text[: entity.start]}{'|' * size}{text[entity.end :]}"
        edges = [m.start() for m in _EDGE.finditer(text)]
        bare.update(
            text[start:end]
            for start in edges
            for end in edges
            if start < end <= start + longest and text[start:end] in marked
        )
    both = [(word, marked[word], times) for word, times in bare.items()]
    return sorted(both, key=lambda row: (-min(row[1:]), row[0]))


def check(root: Path) -> list[str]:
    """Every fault of ``data/nlu`` and ``data/test`` below ``root``, one sentence each.

    A leak names the training message alone: who writes training messages must not read the test.
    """
    try:
        train, test = load(root / "nlu"), load(root / "test")
    except CorpusError as error:
        return [str(error)]
    faults = [
        f"near duplicate ({score:.2f}): {a.path} {a.text!r} / {b.path} {b.text!r}"
        for collection in (train, test)
        for score, a, b in near_duplicates(collection)
    ]
    faults += [
        f"leak ({score:.2f}): {a.path} {a.text!r} is in the test set too"
        for score, a, _ in near_duplicates(test, train)
    ]
    return faults


def main(arguments: list[str]) -> int:
    """``check`` prints faults and fails if there is one; ``counts`` prints messages per intent;
    ``uneven`` and an entity's name prints words marked here and bare there.
    """
    match arguments:
        case ["counts"]:
            for part in ("nlu", "test"):
                for folder, table in sorted(counts(load(Path("data") / part)).items()):
                    print(part, folder, table.total(), dict(sorted(table.items())))
            return 0
        case ["uneven", kind] if kind in ENTITIES:
            for word, marked, bare in uneven(load(Path("data") / "nlu"), kind):
                print(f"{word}: marked {marked} times, bare {bare} times")
            return 0
        case ["check"]:
            found = check(Path("data"))
            print("\n".join(found) or "The messages have no faults.")
            return bool(found)
        case _:
            print("./courier corpus check | counts | uneven <entity>")
            return 2


if __name__ == "__main__":
    import sys

    sys.exit(main(sys.argv[1:]))
