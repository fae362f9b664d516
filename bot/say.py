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
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
from prompt_toolkit import PromptSession
from prompt_toolkit.patch_stdout import patch_stdout

from bot import settings as settings_module
from bot.channels.console.tokens import token
from bot.settings import ROOT, Settings
from conversations.texts import Texts
from store import ids
from store.errors import CourierError, SettingsError

TURN_SECONDS = 150
"""The longest wait for a turn: the inbox's lease, should a worker die, and its next attempts."""
SHOWN = ("text", "buttons", "holder", "ticket", "urgency")


class Refused(CourierError):
    """The service would not take a message; ``str()`` is its sentence for people."""


class Line:
    """The connection of one customer to the service."""

    def __init__(self, settings: Settings, name: str, language: str) -> None:
        self._name = name
        self._http = httpx.Client(
            base_url=settings.service_url,
            headers={
                "Authorization": f"Bearer {token(settings.secret)}",
                "Accept-Language": language,
            },
            timeout=httpx.Timeout(35.0, connect=3.0),
            trust_env=False,
        )

    def close(self) -> None:
        self._http.close()

    def say(self, text: str) -> tuple[int, int]:
        """Store a message; its inbox row and its id in the record. Refused if it cannot be kept.

        Repeated under the same id while the service is out of reach for a moment.
        """
        body = {"as": self._name, "id": ids.new_key(), "text": text}
        for wait in (0.5, 1.0, 2.0, 4.0, None):
            try:
                reply = self._http.post("/console/messages", json=body)
            except httpx.TransportError:
                if wait is None:
                    raise
                time.sleep(wait)
            else:
                stored = _checked(reply)
                return stored["inbox_id"], stored["message_id"]
        raise AssertionError("the last attempt returns or raises")

    def answers(
        self, inbox_id: int | None = None, after: int | None = None, *, wait: bool = True
    ) -> dict[str, Any]:
        """One long poll, see bot.channels.console.service."""
        asked: dict[str, str | int] = {"as": self._name}
        if inbox_id is not None:
            asked["inbox_id"] = inbox_id
        if after is not None:
            asked["after"] = after
        if not wait:
            asked["wait"] = 0
        return _checked(self._http.get("/console/answers", params=asked))

    def turn(self, text: str, after: int | None) -> Iterator[dict[str, Any] | int]:
        """Each answer to ``text`` as it comes; the last item is the cursor for the next turn."""
        inbox_id, message_id = self.say(text)
        cursor = after if after is not None else message_id
        ends = time.monotonic() + TURN_SECONDS
        while True:
            found = self.answers(inbox_id, cursor)
            yield from found["answers"]
            cursor = max(cursor, found["cursor"])
            if found["done"]:
                break
            if time.monotonic() > ends:
                raise TimeoutError
        yield max(cursor, message_id)


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
    if answer["ticket"]:
        colour = words.colour(answer["urgency"])
        rows.append(f"  [{words('ticket', number=answer['ticket'])} · {colour}]")
    return "\n".join(rows)


def _checked(reply: httpx.Response) -> dict[str, Any]:
    """The answer's object; Refused with the service's own sentence otherwise."""
    if reply.is_success:
        found: dict[str, Any] = reply.json()
        return found
    try:
        sentence = str(reply.json().get("message", ""))
    except (ValueError, AttributeError):
        sentence = ""
    raise Refused(sentence or f"HTTP {reply.status_code}", status=reply.status_code)
