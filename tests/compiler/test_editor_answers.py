"""What an editor is told of a place: what could be written there, what stands there, what mends it."""

from __future__ import annotations

import pytest

from compiler.editor_check import EditedFile
from compiler.editor_complete import Completion, complete
from compiler.editor_fixes import fixes
from compiler.editor_hover import hover
from compiler.editor_names import NoRenameError, name_at, places_of, rename
from compiler.editor_symbols import symbols
from compiler.editor_text import EditorText
from compiler.editor_words import CALLS, INTRINSICS, KEYWORDS, METHODS, NOTATION
from compiler.kinds import INTRINSICS as KNOWN_INTRINSICS
from compiler.notation_line import RESERVED_KEYS
from compiler.semconv import conventions
from compiler.spelling import RESERVED

TESTS = """\
    tests:
      - name: one
        trace: |
          checkout  0ms..90ms  service=shop
            payment.charge  1ms..2ms  amount=5 currency=USD http.request.method=GET
            "GET /x"  1ms..2ms  order.id=o-1
        expect: violated
"""


def at_mark(text: str) -> tuple[EditorText, int, int]:
    """A text with its cursor, which is written `^`."""
    before, _, after = text.partition("^")
    return EditorText(before + after), before.count("\n"), len(before) - before.rfind("\n") - 1


def offered(text: str) -> dict[str, Completion]:
    return {one.label: one for one in complete(*at_mark(text), lambda key: {"SOC2:CC7.2"} if key == "controls" else ())}


def in_rule(text: str) -> str:
    """A rule file with this text of a rule."""
    lines = "".join(f"      {line}\n" for line in text.split("\n"))
    return f"let:\n  big: payment.charge.where(amount > 1000)\n  countries: [US]\nrules:\n  - id: a\n    rule: |\n{lines}{TESTS}"


def after(before: str, text: str) -> str:
    """The text of a document once a completion is taken."""
    found = offered(before)[text]
    head, _, tail = before.partition("^")
    return head[: len(head) - found.replaced] + found.text + tail


@pytest.mark.parametrize(
    ("text", "there", "absent"),
    [
        ("^", {"when", "always", "never", "for", "let"}, {"before", "and", "http.route"}),
        ("when { big }\n^", {"always", "never"}, {"when", "for", "let", "big"}),
        ("when ^", set(), {"always", "big"}),
        ("always { ^", {"big", "payment.charge", "GET /x", "count", "not", "some", "root"}, {"http.route", "amount", "lower", "event"}),
        ("always { payment.charge ^", {"before", "and", "implies", "child of"}, {"always", "big"}),
        ("always { payment.charge.where(^", {"amount", "http.route", "span:duration", "lower", "event"}, {"count", "big", "trace:id"}),
        ("always { payment.charge.where(amount ^", {"exists", "in", "contains", "not"}, {"before", "always"}),
        ("always { payment.charge.^", {"where", "all", "payment.charge.amount"}, {"always"}),
        ("always { payment.charge.where(amount > 1).^", {"where", "none"}, {"payment.charge"}),
        ("always { count(payment.charge by ^", {"currency"}, {"payment.charge"}),
        ("always { payment.charge.where(currency == ^", {"USD"}, {"EUR", "amount"}),
        ("always { payment.charge.http.request.method == ^", {"GET", "POST"}, {"USD"}),
        ("always { root.where(span:kind == ^", {"server", "client"}, {"error"}),
        ("always { root.where(event(^", {"event:name"}, {"link:spanID"}),
        ("let mine = root\nalways { ^", {"mine", "big"}, set()),
        ('always { "^', set(), {"big", "and"}),
        ("always { big // ^", set(), {"and", "before"}),
    ],
)
def test_of_the_language_is_offered_what_can_stand_there(text: str, there: set[str], absent: set[str]) -> None:
    found = offered(in_rule(text)).keys()
    assert there <= found
    assert not absent & found


@pytest.mark.parametrize(
    ("text", "there", "absent"),
    [
        ("^", {"let", "rules"}, {"id"}),
        ("rules:\n  - id: a\n    ^\n    rule: never { b }", {"severity", "tests"}, {"id", "rule", "condition", "trace"}),
        (
            "rules:\n  - id: a\n    tests:\n      - name: x\n        trace: b 0s..1s\n      - name: y\n        ^\n      - close: idle\n",
            {"trace", "close"},
            {"name"},
        ),
        ("rules:\n  - id: a\n    severity: cr^", {"critical", "info"}, {"shadow"}),
        ("rules:\n  - id: a\n    mode: ^", {"enforce", "shadow"}, {"high"}),
        ("rules:\n  - id: a\n    enabled: ^", {"true", "false"}, {"high"}),
        ("rules:\n  - id: a\n    controls: [^", {"SOC2:CC7.2"}, set()),
        ("rules:\n  - id: a\n    evidence: [^", {"http.route"}, set()),
        ("rules:\n  - id: a\n    redact: {email: ^", {"hash", "drop", "mask"}, set()),
        ("rules:\n  - id: a\n    exceptions:\n      - ^", {"name", "when", "expires"}, {"severity"}),
        ("rules:\n  - id: a\n    exceptions:\n      - {name: x, when: ^", {"root", "count"}, {"name"}),
        ("rules:\n  - id: a\n    tests:\n      - name: x\n        ^", {"trace", "expect", "close"}, {"name", "when"}),
        ("rules:\n  - id: a\n    tests:\n      - expect: ^", {"violated", "satisfied"}, {"unknown"}),
        ("rules:\n  - id: a\n    tests:\n      - trace: |\n          a  0s..1s  ^", {"service", "kind", "orphan"}, {"when"}),
        ("rules:\n  - id: a\n    tests:\n      - trace: |\n          a  0s..1s  kind=^", {"server"}, {"service"}),
    ],
)
def test_of_the_file_is_offered_what_can_stand_there(text: str, there: set[str], absent: set[str]) -> None:
    found = offered(text).keys()
    assert there <= found
    assert not absent & found


def test_a_completion_takes_the_place_of_what_is_written() -> None:
    assert "always { payment.charge\n" in after(in_rule("always { payment.ch^"), "payment.charge")
    assert "payment.charge.where(\n" in after(in_rule("always { payment.charge.wh^"), "where")
    assert 'always { "GET /x"\n' in after(in_rule("always { ^"), "GET /x")
    assert "\n    severity: " in after("rules:\n  - id: a\n    sev^", "severity")
    assert "mode: shadow" in after("rules:\n  - id: a\n    mode: sh^", "shadow")


@pytest.mark.parametrize(
    ("text", "about"),
    [
        ("alw^ays { big }", "violated where this is not true"),
        ("always { bi^g.where(amount > 5) }", "payment.charge.where(amount > 1000)"),
        ("always { root.where(span:dur^ation > 1s) }", "end - start"),
        ("always { root.http.req^uest.method == GET }", "HTTP request method"),
        ("always { root.wh^ere(a == b) }", "Selects the spans"),
        ("always { co^unt(root) > 1 }", "How many spans"),
        ("let mine = root\nalways { mi^ne }", "`mine` stands for"),
    ],
)
def test_of_a_word_one_sentence_is_shown(text: str, about: str) -> None:
    document, line, column = at_mark(in_rule(text))
    found = hover(document, line, column, lambda: "")
    assert found is not None
    assert about in found.text
    word = document.lines[line][found.column : found.column + found.length]
    assert found.column <= column <= found.column + found.length
    assert word.strip() == word


def test_every_word_there_is_has_a_sentence() -> None:
    assert KEYWORDS.keys() >= RESERVED
    assert INTRINSICS.keys() == KNOWN_INTRINSICS.keys()
    assert {"service", "kind"} <= NOTATION.keys()
    assert {name for name in RESERVED_KEYS if ":" not in name} <= NOTATION.keys()
    assert {"where", "all", "any", "none"} == METHODS.keys()
    assert all(text.endswith((".", "`.")) for table in (KEYWORDS, CALLS, METHODS, INTRINSICS, NOTATION) for text in table.values())


def test_the_conventions_have_no_attribute_that_is_deprecated() -> None:
    assert "http.method" not in conventions()
    assert "GET" in conventions()["http.request.method"].values
    assert all(one.brief and not one.brief.startswith("Deprecated") for one in conventions().values())


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ("always { root.where(a in countris) }", {"always { root.where(a in countries) }"}),
        ("always { root.where(span:duraton > 1s) }", {"always { root.where(span:duration > 1s) }"}),
        ("big\n  and not root", {"always { big\n  and not root }", "never { big\n  and not root }"}),
        ("always { big && root }", {"always { big and root }"}),
        ("always { root.where(a = 1) }", {"always { root.where(a == 1) }"}),
        ("always { !big }", {"always { not big }"}),
        ("never { root.where(a => 1) }", {"never { root.where(a >= 1) }"}),
        ("never { root.where(a <> 1) }", {"never { root.where(a != 1) }"}),
        ('never { root.where(a startwith "E") }', {'never { root.where(a startswith "E") }'}),
        ("always { big preceeds root }", {"always { big before root }"}),
        ("never { root.where(a is not missing) }", {"never { root.where(a exists) }"}),
        ("never { root.where(a not missing) }", {"never { root.where(a exists) }"}),
        ("always { big before root within 5 minutes }", {"always { big before root within 5m }"}),
        ("foreach big as r\nalways { root before r }", {"for each big as r\nalways { root before r }"}),
        ("wehn { big } always { root.where(a == 1) }", {"when { big } always { root.where(a == 1) }"}),
        ("never { root.where(span.duration > 1s) }", {"never { root.where(span:duration > 1s) }"}),
        ("never { root.where(span.status.code == ERROR) }", {"never { root.where(span:status == error) }"}),
        ("always { big before POST /refunds }", {'always { big before "POST /refunds" }'}),
        ("never { a/b and count(a/b) > 5 }", {'never { a/b and count("a/b") > 5 }'}),
        ("never { GET\n  refunds }", set()),
        ("never { GET refunds }", {'never { "GET refunds" }'}),
        ("never { count(POST /refunds/{id}) > 5 }", {'never { count("POST /refunds/{id}") > 5 }'}),
    ],
)
def test_what_mends_a_mistake_without_doubt_is_offered(text: str, mended: set[str]) -> None:
    written = in_rule(text)
    checked = EditedFile("x").check(written)
    assert checked is not None
    document = EditorText(written)
    found = set()
    for diagnostic in checked.diagnostics:
        for fix in fixes(document, diagnostic):
            lines = list(document.lines)
            for edit in reversed(fix.edits):
                line = lines[edit.line]
                lines[edit.line] = line[: edit.column] + edit.text + line[edit.column + edit.length :]
            found.add("\n".join(lines))
    assert found == {in_rule(each) for each in mended}


def test_an_attribute_of_the_name_of_a_selector_is_no_use_of_it() -> None:
    document, line, column = at_mark(in_rule("always { bi^g.where(big == 1) and root.where(a == big) }"))
    found = name_at(document, line, column)
    assert found is not None
    assert [(place.line, place.column) for place in places_of(document, found[0])] == [(1, 2), (line, column - 2)]


def test_a_name_that_would_mean_something_else_is_refused() -> None:
    document, line, column = at_mark(in_rule("always { bi^g before checkout }"))
    found = name_at(document, line, column)
    assert found is not None
    for name in ("checkout", "countries", "never", "root", "a b", ""):
        with pytest.raises(NoRenameError):
            rename(document, found[0], name)


def test_nothing_is_renamed_where_a_rule_cannot_be_read() -> None:
    document, line, column = at_mark(in_rule("always { bi^g and }"))
    found = name_at(document, line, column)
    assert found is not None
    with pytest.raises(NoRenameError):
        rename(document, found[0], "large")


def test_the_outline_says_where_rules_and_tests_are() -> None:
    (rule,) = symbols(EditorText(in_rule("always { big }")))
    assert (rule.name, rule.line, [(test.name, test.line) for test in rule.inside]) == ("a", 4, [("one", 8)])
