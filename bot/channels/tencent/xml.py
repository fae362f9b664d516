"""What WeChat pushes, as nested words (XML, or JSON where an account chose that), and what we
answer it with. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from store.errors import Invalid

Node = str | list["Node"] | dict[str, "Node"]
Push = dict[str, Node]
"""The tags of a push. A tag that occurs more than once holds a list, one with tags a table."""

_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
"""What XML forbids but customers paste and WeChat passes on inside CDATA."""
_DEEPEST = 16


def read(body: bytes) -> Push:
    """The push in a request's body. Invalid for anything else, declared entities included."""
    text = _NOT_IN_XML.sub("", body.decode("utf-8", "ignore")).lstrip("\ufeff \t\r\n")
    if text.startswith("{"):
        found = _read_json(text)
    else:
        try:
            found = _node(fromstring(text, forbid_dtd=True))
        except (ParseError, DefusedXmlException, ValueError) as error:
            raise Invalid("a push that is not XML") from error
    if not isinstance(found, dict):
        raise Invalid("a push without tags")
    return found


def write(tags: Mapping[str, str | int]) -> str:
    """The other way round: one level of tags, as in the platform's samples."""
    inner = "".join(f"<{name}>{_data(value)}</{name}>" for name, value in tags.items())
    return f"<xml>{inner}</xml>"


def _data(value: str | int) -> str:
    if isinstance(value, int):
        return str(value)
    kept = _NOT_IN_XML.sub("", value).replace("]]>", "]]]]><![CDATA[>")
    return f"<![CDATA[{kept}]]>"


def word(push: Push, name: str) -> str:
    """The words of a tag; empty if it is absent or holds more tags."""
    value = push.get(name, "")
    return value.strip() if isinstance(value, str) else ""


def table(push: Push, name: str) -> Push:
    """The tags inside a tag; empty if it is absent or holds words."""
    value = push.get(name)
    return value if isinstance(value, dict) else {}


def _node(element: Element, depth: int = 0) -> Node:
    if depth > _DEEPEST:
        raise Invalid("a push nested too deep")
    if len(element) == 0:
        return element.text or ""
    found: Push = {}
    for child in element:
        value = _node(child, depth + 1)
        if child.tag not in found:
            found[child.tag] = value
            continue
        before = found[child.tag]
        found[child.tag] = [*before, value] if isinstance(before, list) else [before, value]
    return found


def _read_json(text: str) -> Node:
    try:
        return plain(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise Invalid("a push that is not JSON") from error


def plain(value: object) -> Node:
    """What JSON gave, in words: numbers as they are written, null as nothing."""
    match value:
        case dict():
            return {str(name): plain(inner) for name, inner in value.items()}
        case list():
            return [plain(inner) for inner in value]
        case str():
            return value
        case None:
            return ""
        case _:
            return json.dumps(value)
