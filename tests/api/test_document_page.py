"""/docs: the whole of the OpenAPI document on one page, which asks for nothing and nobody, this machine included."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest

from api.document_page import document_page
from tests.api.service import RULES, Service, service

if TYPE_CHECKING:
    from collections.abc import Iterator

ASKING = {"audio", "base", "embed", "form", "frame", "iframe", "img", "link", "object", "script", "source", "video"}
VOID = {"meta"}


class Page(HTMLParser):
    """What a browser would see: tags, links, anchors, style and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags, self.attributes, self.links, self.codes = set[str](), set[str](), set[str](), set[str]()
        self.anchors = list[str]()
        self.style = self.text = ""
        self._open = list[str]()
        self.feed(html)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.add(tag)
        self.attributes |= set(given)
        self.links |= {given["href"]} if "href" in given else set()
        self.anchors += [given["id"]] if "id" in given else []
        self._open += [] if tag in VOID else [tag]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] == ["style"]:
            self.style += data
            return
        self.text += data
        self.codes |= {data} if self._open[-1:] == ["code"] else set()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    rules = tmp_path_factory.mktemp("rules") / "rules.yaml"
    rules.write_text(RULES, encoding="utf-8")
    with service(rules) as made:
        yield made


@pytest.fixture(scope="module")
def page(served: Service) -> Page:
    return Page(served.client.get("/docs").text)


def test_the_page_is_html_that_is_whole_in_itself(served: Service, page: Page) -> None:
    assert served.client.get("/docs").headers["content-type"] == "text/html; charset=utf-8"
    assert not page.tags & ASKING
    assert page.attributes <= {"charset", "class", "content", "href", "id", "lang", "name"}
    assert not re.search(r"url\(|@import", page.style)


def test_the_page_refers_to_no_other_host_and_all_that_it_links_is_served(served: Service, page: Page) -> None:
    assert "://" not in served.client.get("/docs").text
    assert "/openapi.json" in page.links
    for link in page.links:
        if link.startswith("#"):
            assert link[1:] in page.anchors
        else:
            assert link.startswith("/")
            assert not link.startswith("//")
            assert served.client.get(link).status_code == 200
    assert len(page.anchors) == len(set(page.anchors))


def test_the_browser_is_told_to_ask_for_nothing_and_to_take_the_pages_own_style_alone(served: Service, page: Page) -> None:
    policy = dict(part.split(" ", 1) for part in served.client.get("/docs").headers["content-security-policy"].split("; "))
    digest = base64.b64encode(hashlib.sha256(page.style.encode()).digest()).decode()
    none = dict.fromkeys(("default-src", "base-uri", "form-action", "frame-ancestors"), "'none'")
    assert policy == {**none, "style-src": f"'sha256-{digest}'"}


@pytest.mark.parametrize("path", ["/openapi.json", "/v1/violations", "/metrics", "/no/such/path"])
def test_no_other_answer_may_ask_for_anything_or_be_framed(served: Service, path: str) -> None:
    headers = served.client.get(path).headers
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"


def test_every_operation_parameter_schema_and_field_of_the_document_is_on_the_page(served: Service, page: Page) -> None:
    document = served.client.get("/openapi.json").json()
    for path, operations in document["paths"].items():
        assert path in page.text
        for operation in operations.values():
            assert operation["operationId"] in page.anchors
            assert operation["summary"] in page.text
            assert all(f"{it['name']} ({it['in']})" in page.text for it in operation.get("parameters", ()))
    for name, schema in document["components"]["schemas"].items():
        assert name in page.anchors
        assert set(schema.get("properties", ())) <= page.codes


def document_of(schema: dict[str, Any], meaning: str = "") -> dict[str, Any]:
    """A document with one parameter."""
    parameter = {"name": "it", "in": "query", "schema": schema, "description": meaning}
    answers = {"200": {"description": "fine"}}
    operation = {"operationId": "get", "summary": "Get", "tags": ["a"], "parameters": [parameter], "responses": answers}
    return {"info": {"title": "T", "description": "D"}, "paths": {"/p": {"get": operation}}, "components": {"schemas": {"S": {}}}}


@pytest.mark.parametrize(
    ("schema", "shown"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 500, "default": 50}, "integer, at least 1, at most 500, default 50"),
        ({"anyOf": [{"type": "string", "maxLength": 9}, {"type": "null"}]}, "string, 9 characters or fewer"),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, "string or integer"),
        ({"type": "array", "items": {"$ref": "#/components/schemas/S"}, "maxItems": 3, "default": []}, "list of S, at most 3 of them"),
        ({"enum": ["a", "b"]}, "a or b"),
        ({"type": "object", "additionalProperties": {"type": "string"}}, "object of string"),
        ({}, "any JSON"),
    ],
    ids=str,
)
def test_a_type_is_said_in_words(schema: dict[str, Any], shown: str) -> None:
    assert f"it (query){shown}of it" in Page(document_page(document_of(schema, "of it")).html).text


def test_text_of_the_document_is_never_markup() -> None:
    page = Page(document_page(document_of({}, "<script>alert(1)</script> & `<b>`")).html)
    assert "script" not in page.tags
    assert "<script>alert(1)</script> & <b>" in page.text
