"""``./courier say``: a terminal chat on the same road as every customer's message.

``--json`` reads one message per line and prints each answer as one JSON object (``text``,
``buttons``, ``holder``, ``ticket``, ``urgency``), and an empty line after the last answer of a
turn. Exit codes: 0, or 1 if the service cannot be reached or a message was refused.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
from prompt_toolkit import PromptSession
from prompt_toolkit.patch_stdout import patch_stdout

from bot import settings as settings_module
from bot.channels.console.client import Line, Refused
from bot.settings import ROOT, Settings
from conversations.texts import Texts
from store.errors import CourierError, SettingsError

SHOWN = ("text", "buttons", "holder", "ticket", "urgency")


def main(argv: Sequence[str]) -> int:
    """Run the terminal; see the module's text."""
    parser = argparse.ArgumentParser(prog="courier say", description="A chat in the terminal.")
    parser.add_argument("--as", dest="name", default="me", help="the customer's name (default: me)")
    parser.add_argument("--json", action="store_true", help="one message per line in, JSON out")
    parser.add_argument("--lang", choices=("zh", "en"), default="zh", help="language of the frame")
    options = parser.parse_args(argv)
    try:
        settings = settings_module.load()
    except SettingsError as error:
        _err(str(error))
        return 1
    words = _Words(Texts(ROOT / "policies" / "texts", settings.zone), options.lang)
    try:
        with _service(settings, words):
            line = Line(settings, options.name, options.lang)
            try:
                if options.json:
                    return _play(line, words)
                if sys.stdin.isatty() and sys.stdout.isatty():
                    return _talk(line, words, options.name)
                return _pipe(line, words)
            finally:
                line.close()
    except httpx.TransportError:
        _err(words("unreachable"))
    except Refused as error:
        _err(
            words("no_secret", home=settings.home)
            if error.facts.get("status") == 401
            else words("refused", reason=error)
        )
    except KeyboardInterrupt:
        return 130
    return 1


class _Words:
    """The frame's texts in one language."""

    def __init__(self, texts: Texts, language: str) -> None:
        self._texts = texts
        self._language = language

    def __call__(self, key: str, **facts: object) -> str:
        return self._texts.say(self._language, f"console.{key}", 0, **facts)

    def colour(self, urgency: str) -> str:
        return self._texts.say(self._language, f"words.urgency.{urgency}")

    def author(self, answer: dict[str, Any]) -> str:
        if answer["author"] != "agent":
            return self(answer["author"])
        return self("agent", name=answer["name"]) if answer["name"] else self("agent_nameless")


@contextmanager
def _service(settings: Settings, words: _Words) -> Iterator[None]:
    """Use the service that runs, or start what is needed and stop it at the end."""
    try:
        running = httpx.get(f"{settings.service_url}/health", timeout=3, trust_env=False)
        if running.is_success:
            yield
            return
    except httpx.TransportError:
        pass
    from bot import up  # starting processes is loaded only when there is something to start

    _err(words("starting"))
    with up.running(settings):
        yield


def _play(line: Line, words: _Words) -> int:
    """Scripts: a line is a message, an answer is a JSON line, an empty line ends the turn."""
    code = 0
    cursor: int | None = None
    for text in _lines():
        try:
            for item in line.turn(text, cursor):
                if isinstance(item, int):
                    cursor = item
                else:
                    shown = {name: item[name] for name in SHOWN}
                    _out(json.dumps(shown, ensure_ascii=False))
        except Refused as error:
            if error.facts.get("status") == 401:
                raise
            _err(words("refused", reason=error))
            code = 1
        except TimeoutError:
            _err(words("too_slow"))
            code = 1
        _out("")
    return code


def _pipe(line: Line, words: _Words) -> int:
    """The same for people: ``echo 你好 | ./courier say``."""
    cursor: int | None = None
    for text in _lines():
        try:
            for item in line.turn(text, cursor):
                if isinstance(item, int):
                    cursor = item
                else:
                    _out(_shown(item, words))
        except TimeoutError:
            _err(words("too_slow"))
            return 1
    return 0


def _talk(line: Line, words: _Words, name: str) -> int:
    """A person at a terminal. Whatever comes is shown at once, an agent's words hours later too."""
    reader = _Reader(line, words)
    reader.start()
    session: PromptSession[str] = PromptSession()
    _out(words("hello", name=name))
    try:
        with patch_stdout():
            while True:
                try:
                    text = session.prompt(f"{words('prompt')} › ").strip()
                except EOFError:
                    return 0
                if not text:
                    continue
                try:
                    line.say(reader.chosen(text))
                except Refused as error:
                    _out(words("refused", reason=error))
    finally:
        reader.stop()


class _Reader(threading.Thread):
    """Shows what comes for this customer from now on."""

    def __init__(self, line: Line, words: _Words) -> None:
        super().__init__(name="reader", daemon=True)
        self._line = line
        self._words = words
        self._cursor: int = line.answers(wait=False)["cursor"]
        self._buttons: list[dict[str, str]] = []
        self._over = threading.Event()

    def chosen(self, text: str) -> str:
        """What a number picks; other words as they are."""
        buttons, self._buttons = self._buttons, []
        if text.isdecimal() and 0 < int(text) <= len(buttons):
            return buttons[int(text) - 1]["say"]
        return text

    def stop(self) -> None:
        self._over.set()

    def run(self) -> None:
        while not self._over.is_set():
            try:
                found = self._line.answers(after=self._cursor)
            except (httpx.HTTPError, CourierError, RuntimeError):
                # Out of reach for a moment, or closed at the end.
                self._over.wait(2)
                continue
            self._cursor = found["cursor"]
            for answer in found["answers"]:
                if answer["buttons"]:
                    self._buttons = answer["buttons"]
                _out(_shown(answer, self._words))


def _out(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _err(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _lines() -> Iterator[str]:
    """The messages of standard input; UTF-8 whatever the terminal's locale is."""
    for raw in sys.stdin.buffer:
        text = raw.decode("utf-8", "replace").strip()
        if text:
            yield text


def _shown(answer: dict[str, Any], words: _Words) -> str:
    """An answer for people: author, words, numbered choices, ticket."""
    author = words.author(answer)
    indent = "\n" + " " * 2
    rows = [f"{author} › {answer['text']}".replace("\n", indent)]
    rows += [f"  {n}. {b['title']}" for n, b in enumerate(answer["buttons"], 1)]
    rows += [f"  [{words('file', name=name)}]" for name in answer["files"]]
    if answer["ticket"]:
        colour = words.colour(answer["urgency"])
        rows.append(f"  [{words('ticket', number=answer['ticket'])} · {colour}]")
    return "\n".join(rows)
