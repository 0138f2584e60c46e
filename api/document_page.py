"""The OpenAPI document as a page to read: whole in itself, without scripts, so that it shows on a machine without a network.

Built as a tree and serialised by the library, so that no text of the document is ever taken for markup.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from xml.etree.ElementTree import Element, tostring

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    Json: TypeAlias = Mapping[str, Any]  # a part of the document, as the web framework gives it
    Node: TypeAlias = Element | str

_VIEWPORT = {"name": "viewport", "content": "width=device-width, initial-scale=1"}
_STYLE = Path(__file__).with_name("document_page.css")
_BOUNDS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minLength": "{} characters or more",
    "maxLength": "{} characters or fewer",
    "maxItems": "at most {} of them",
}


@dataclass(frozen=True, slots=True)
class DocumentPage:
    """A page, and the Content-Security-Policy under which it shows and asks nobody for anything."""

    html: str
    policy: str


def document_page(document: Json) -> DocumentPage:
    """Return the page of an OpenAPI document: every operation with parameters and answers, every schema with its fields."""
    style = _STYLE.read_text(encoding="utf-8")
    title = f"{document['info']['title']} HTTP API"
    head = _tag("head", _tag("meta", charset="utf-8"), _tag("title", title), _tag("style", style), Element("meta", _VIEWPORT))
    page = _tag("html", head, _tag("body", *_body(title, document)), lang="en")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    return DocumentPage("<!DOCTYPE html>\n" + tostring(page, encoding="unicode", method="html"), policy)


def _body(title: str, document: Json) -> Iterator[Element]:
    operations = [(method, path, it) for path, found in document["paths"].items() for method, it in found.items()]
    yield _tag("h1", title)
    yield _tag("p", *_prose(document["info"]["description"]))
    yield _tag("p", "The OpenAPI document itself is ", _tag("a", _tag("code", "/openapi.json"), href="/openapi.json"), ".")
    yield _tag("ul", *(_tag("li", _tag("a", path, href=f"#{it['operationId']}"), f" {it['summary']}") for _, path, it in operations))
    for tag, group in groupby(operations, lambda operation: operation[2]["tags"][0]):
        yield _tag("h2", str(tag).capitalize())
        for method, path, operation in group:
            yield from _operation(method, path, operation)
    yield _tag("h2", "Schemas")
    for name, schema in document["components"]["schemas"].items():
        yield from _schema(name, schema)


def _operation(method: str, path: str, operation: Json) -> Iterator[Element]:
    # What needs no id can be asked for with a click.
    shown = path if "{" in path else _tag("a", path, href=path)
    yield _tag("h3", _tag("span", method.upper(), **{"class": "method"}), shown, id=operation["operationId"])
    yield _tag("p", operation["summary"])
    parameters = operation.get("parameters", [])
    if parameters:
        rows = [(f"{it['name']} ({it['in']})", _bounded(it["schema"]), _prose(it.get("description", ""))) for it in parameters]
        yield _table(("parameter", "type", "meaning"), rows)
    answers = [(status, _content(it), _prose(it["description"])) for status, it in operation["responses"].items()]
    yield _table(("status", "answer", "meaning"), answers)


def _content(answer: Json) -> list[Node]:
    content = answer.get("content", {})
    return _joined(" or ", ([*_type(it["schema"]), f" as {media}"] for media, it in content.items())) or ["text"]


def _schema(name: str, schema: Json) -> Iterator[Element]:
    yield _tag("h3", name, id=name)
    yield _tag("p", *_prose(schema.get("description", "")))
    if "properties" not in schema:
        yield _tag("p", *_type(schema))
        return
    rows = [(field, _type(it), _prose(it.get("description", ""))) for field, it in schema["properties"].items()]
    yield _table(("field", "type", "meaning"), rows)


# ---- types --------------------------------------------------------------------------------------------------------------------------


def _type(schema: Json) -> list[Node]:
    match schema:
        case {"$ref": str(target)}:
            name = target.rpartition("/")[2]
            return [_tag("a", name, href=f"#{name}")]
        case {"anyOf": list(choices)}:
            return _joined(" or ", map(_type, choices))
        case {"enum": list(values)}:
            return _joined(" or ", ([_tag("code", str(value))] for value in values))
        case {"items": dict(item)}:
            return ["list of ", *_type(item)]
        case {"additionalProperties": dict(item)}:
            return ["object of ", *_type(item)]
    return [str(schema.get("type", "any JSON"))]


def _bounded(schema: Json) -> list[Node]:
    """Return the type of a parameter with what bounds it, and its default where that says something."""
    # Null stands for a parameter that is left out; none can be sent.
    sent = [it for it in schema.get("anyOf", ()) if it != {"type": "null"}]
    kind = sent[0] if len(sent) == 1 else schema
    bounds = [sentence.format(kind[key]) for key, sentence in _BOUNDS.items() if key in kind]
    default = schema.get("default")
    said = bounds if default in (None, []) else [*bounds, f"default {default}"]
    return [*_type(kind), *(f", {it}" for it in said)]


# ---- markup -------------------------------------------------------------------------------------------------------------------------


def _table(head: tuple[str, str, str], rows: Iterable[tuple[str, list[Node], list[Node]]]) -> Element:
    top = _tag("tr", *(_tag("th", it) for it in head))
    lines = (_tag("tr", _tag("td", _tag("code", name)), _tag("td", *kind), _tag("td", *meaning)) for name, kind, meaning in rows)
    return _tag("table", top, *lines)


def _prose(text: str) -> list[Node]:
    """Return text in which what stands between backticks is code."""
    return [_tag("code", part) if number % 2 else part for number, part in enumerate(text.split("`"))]


def _joined(between: str, parts: Iterable[list[Node]]) -> list[Node]:
    found: list[Node] = []
    for part in parts:
        found += [between, *part] if found else part
    return found


def _tag(name: str, *children: Node, **attributes: str) -> Element:
    made = Element(name, attributes)
    for child in children:
        if isinstance(child, Element):
            made.append(child)
        elif len(made):
            made[-1].tail = (made[-1].tail or "") + child
        else:
            made.text = (made.text or "") + child
    return made
