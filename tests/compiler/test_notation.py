"""The test notation: what each line says, and where a line is wrong."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.diagnostics import Code
from compiler.notation import BAD_LINES_MAX, INSTANT_NS, ORPHAN_PARENT_ID, EventItem, LinkItem, SpanLine, parse_trace
from tests.compiler.written import PlainText, places
from tests.timing import within

MS = 1_000_000


def lines(text: str) -> tuple[SpanLine, ...]:
    trace, diagnostics = parse_trace(PlainText(text))
    assert diagnostics == []
    assert trace is not None
    return trace.lines


def line(items: str) -> SpanLine:
    """Return the span of one line that begins at 0 ms and ends at 1 ms."""
    (found,) = lines(f"a 0ms..1ms {items}")
    return found


def test_a_line_is_a_name_a_start_and_an_end() -> None:
    (found,) = lines("checkout  1.5ms..2s")
    assert (found.name, found.start_ns, found.end_ns) == ("checkout", 1_500_000, 2_000_000_000)
    assert (found.kind, found.status, found.parent_id, found.arrives_ns) == (1, 0, "", 0)
    assert (found.attributes, found.resource, found.events, found.links, found.scope_name) == ({}, {}, (), (), "")


@pytest.mark.parametrize(
    ("written", "nanoseconds"),
    [
        ("7ns", 7),
        ("7us", 7_000),
        ("7ms", 7 * MS),
        ("7s", 7000 * MS),
        ("7m", 420_000 * MS),
        ("7h", 25_200_000 * MS),
        ("-5ms", -5 * MS),
        ("0.5us", 500),
    ],
)
def test_a_time_is_a_duration_from_the_fixed_instant(written: str, nanoseconds: int) -> None:
    assert lines(f"a {written}..9h")[0].start_ns == nanoseconds


def test_a_span_may_have_no_end_or_end_before_its_start() -> None:
    assert [found.end_ns for found in lines("a 0ms..none\nb 5ms..1ms\nc -1ms..0ms")] == [None, MS, 0]


def test_a_name_with_spaces_is_quoted() -> None:
    text = '"GET /users/{id}" 0ms..1ms\n`a "b"` 0ms..1ms\nGET:/x 0ms..1ms\n"\\u00e9" 0ms..1ms'
    assert [found.name for found in lines(text)] == ["GET /users/{id}", 'a "b"', "GET:/x", "é"]


def test_a_deeper_line_is_a_child_and_a_dedent_returns_to_an_open_level() -> None:
    text = "a 0ms..9ms\n   b 0ms..1ms\n      c 0ms..1ms\n   d 0ms..1ms\ne 0ms..1ms\n f 0ms..1ms"
    found = lines(text)
    names = {span.span_id: span.name for span in found}
    assert [names.get(span.parent_id, "") for span in found] == ["", "a", "b", "a", "", "e"]
    assert [span.parent_index for span in found] == [None, 0, 1, 0, None, 4]


def test_levels_count_from_the_first_line_and_blank_lines_are_none() -> None:
    found = lines("\n    a 0ms..1ms\n\n      b 0ms..1ms\n  \n    c 0ms..1ms\n")
    assert [span.parent_index for span in found] == [None, 0, None]


def test_the_default_id_is_f_and_the_number_of_the_line() -> None:
    found = lines("\na 0ms..1ms\n\nb 0ms..1ms")
    assert [span.span_id for span in found] == ["f000000000000002", "f000000000000004"]


def test_ids_are_hex_with_zeros_added_on_the_left() -> None:
    found = lines("a 0ms..1ms id=1A\n  b 0ms..1ms id=0123456789abcdef parent=7")
    assert [(span.span_id, span.parent_id) for span in found] == [("000000000000001a", ""), ("0123456789abcdef", "0000000000000007")]


def test_a_parent_that_is_said_replaces_that_of_the_indentation() -> None:
    found = lines("a 0ms..1ms id=1\nb 0ms..1ms\n  c 0ms..1ms parent=1\n  d 0ms..1ms parent=0\n  e 0ms..1ms parent=99")
    assert [span.parent_id[-2:] for span in found] == ["", "", "01", "", "99"]
    assert [span.parent_index for span in found] == [None, None, 0, None, None]


def test_an_orphan_has_a_parent_that_is_absent() -> None:
    found = lines("a 0ms..1ms\n  b 0ms..1ms orphan")
    assert (found[1].parent_id, found[1].parent_index) == (ORPHAN_PARENT_ID, None)


def test_one_id_may_stand_twice_for_a_redelivered_span() -> None:
    assert [span.span_id for span in lines("a 0ms..1ms id=1\na 0ms..1ms id=1")] == ["0000000000000001"] * 2


def test_of_lines_with_one_id_the_first_is_the_parent() -> None:
    found = lines("a 0ms..1ms id=1 service=x\na 0ms..1ms id=1 service=y\nb 0ms..1ms parent=1")[2]
    assert (found.parent_index, found.resource) == (0, {"service.name": "x"})


@pytest.mark.parametrize(
    ("word", "kind"), [("unspecified", 0), ("internal", 1), ("server", 2), ("client", 3), ("producer", 4), ("consumer", 5)]
)
def test_kinds_are_words_of_otlp(word: str, kind: int) -> None:
    assert line(f"kind={word}").kind == kind


@pytest.mark.parametrize(("item", "status"), [("status=unset", 0), ("status=ok", 1), ("status=error", 2), ("error", 2)])
def test_statuses_are_words_of_otlp(item: str, status: int) -> None:
    assert line(item).status == status


def test_reserved_keys_are_no_attributes() -> None:
    found = line("service=5 kind=client status=ok id=1 parent=2 scope=lib arrives=3s span:statusMessage=bad instrumentation:version=1.0")
    assert found.attributes == {}
    assert found.resource == {"service.name": "5"}
    assert (found.scope_name, found.arrives_ns, found.status_message, found.scope_version) == ("lib", 3_000_000_000, "bad", "1.0")


def test_prefixed_and_quoted_keys_are_attributes_whatever_they_are_called() -> None:
    found = line('span.status=502 span.id=x span.span.a=1 error=true "service"=y "a b"=z "span.kind"=w cost.total=7')
    assert found.attributes == {
        "status": 502,
        "id": "x",
        "span.a": 1,
        "error": True,
        "service": "y",
        "a b": "z",
        "span.kind": "w",
        "cost.total": 7,
    }
    assert (found.status, found.resource) == (0, {})


def test_resource_and_scope_have_attributes_of_their_own() -> None:
    found = line("resource.region=eu resource.service.name=shop scope.tier=2")
    assert (found.resource, found.scope_attributes, found.attributes) == ({"region": "eu", "service.name": "shop"}, {"tier": 2}, {})


def test_a_line_that_says_nothing_of_its_resource_has_its_parents() -> None:
    text = """\
a 0ms..1ms id=1 service=shop resource.zone=z
  b 0ms..1ms
    c 0ms..1ms service=bank
      d 0ms..1ms
  e 0ms..1ms resource.zone=y
f 0ms..1ms
"""
    shop = {"service.name": "shop", "zone": "z"}
    bank = {"service.name": "bank"}
    assert [span.resource for span in lines(text)] == [shop, shop, bank, bank, {"zone": "y"}, {}]


def test_the_parent_that_is_said_gives_its_resource_if_its_line_stands_above() -> None:
    text = "a 0ms..1ms id=1 service=shop\nb 0ms..1ms parent=1\nc 0ms..1ms parent=2\nd 0ms..1ms id=2 service=bank\n  e 0ms..1ms orphan"
    assert [span.resource.get("service.name") for span in lines(text)] == ["shop", "shop", None, "bank", "bank"]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("true", True),
        ("false", False),
        ("True", "True"),
        ("yes", "yes"),
        ("null", "null"),
        ("5", 5),
        ("-5", -5),
        ("5.0", 5.0),
        ("5e0", 5.0),
        ("-1.5E+2", -150.0),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
        ("02134", "02134"),
        ("+5", "+5"),
        (".5", ".5"),
        ("5.", "5."),
        ("0x1F", "0x1F"),
        ("5ms", "5ms"),
        ('"02134"', "02134"),
        ('"true"', "true"),
        ('"a \\"b\\" \\\\ \\n\\u00e9"', 'a "b" \\ \né'),
        ("`a\\n b`", "a\\n b"),
        ("a,b(c)]", "a,b(c)]"),
        ("a=b", "a=b"),
        ("", ""),
        ("[a,1]", ("a", 1)),
        ("[ a b , 1.0,true ]", ("a b", 1.0, True)),
        ('["a, b]",`c`]', ("a, b]", "c")),
        ("[]", ()),
        ("[ ]", ()),
        ("[a)b]", ("a)b",)),
    ],
)
def test_a_value_has_the_kind_it_is_written_in(written: str, value: object) -> None:
    found = line(f"k={written} z=1").attributes
    assert found == {"k": value, "z": 1}
    assert type(found["k"]) is type(value)
    if isinstance(value, tuple):
        assert [type(item) for item in found["k"]] == [type(item) for item in value]  # type: ignore[union-attr]  # a tuple, as just said


def test_of_a_repeated_attribute_the_last_counts() -> None:
    assert line("k=1 k=2").attributes == {"k": 2}


def test_an_event_has_a_name_a_time_from_the_spans_start_and_attributes() -> None:
    (found,) = lines('a 10ms..20ms event(cache miss, at=5ms, k=v w, n=[a,1], "at"=1) event("b, c") event(d, at=-1ms)')
    assert found.events == (
        EventItem("cache miss", 15 * MS, {"k": "v w", "n": ("a", 1), "at": 1}),
        EventItem("b, c", 10 * MS, {}),
        EventItem("d", 9 * MS, {}),
    )


def test_a_link_has_ids_and_attributes() -> None:
    found = line("link(trace=1a, id=2b, k=v) link() link( k=v )")
    first, second, third = found.links
    assert first == LinkItem("1a".zfill(32), "2b".zfill(16), {"k": "v"})
    assert (len(second.trace_id), len(second.span_id), second.attributes) == (32, 16, {})
    assert third.attributes == {"k": "v"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["1:1+1"]),
        ("\n \n", ["1:1+1"]),
        ("a", ["1:2+1"]),
        ("a b 0ms..1ms", ["1:3+1"]),
        ("a 0ms ..1ms", ["1:3+3"]),
        ("a 0ms..", ["1:3+5"]),
        ("a 0..1ms", ["1:3+1"]),
        ("a 0ms..5", ["1:8+1"]),
        ("a 0ms..1.5ns", ["1:8+5"]),
        ("a none..1ms", ["1:3+4"]),
        ("a -57y..1ms", ["1:3+4"]),
        ("a -999999h..1ms", ["1:3+8"]),
        ("a 0ms..9999999h", ["1:8+8"]),
        ('"a 0ms..1ms', ["1:1+11"]),
        ('"a"0ms..1ms', ["1:4+1"]),
        ('"\\q" 0ms..1ms', ["1:2+2"]),
        ("\ta 0ms..1ms", ["1:1+1"]),
        ("a 0ms..1ms\tk=1", ["1:11+1"]),
        ("a 0ms..1ms strange", ["1:12+7"]),
        ("a 0ms..1ms =5", ["1:12+1"]),
        ("a 0ms..1ms k = 5", ["1:12+1"]),
        ("a 0ms..1ms (x)", ["1:12+1"]),
        ("a 0ms..1ms events(x)", ["1:12+6"]),
        ("a 0ms..1ms kind=Server", ["1:17+6"]),
        ("a 0ms..1ms status=502", ["1:19+3"]),
        ("a 0ms..1ms status=ok error", ["1:22+5"]),
        ("a 0ms..1ms error error", ["1:18+5"]),
        ("a 0ms..1ms parent=1 orphan", ["1:21+6"]),
        ("a 0ms..1ms id=1 id=2", ["1:17+2"]),
        ("a 0ms..1ms id=xyz", ["1:15+3"]),
        ("a 0ms..1ms id=", ["1:15+1"]),
        ("a 0ms..1ms id=0", ["1:15+1"]),
        ("a 0ms..1ms id=00112233445566778", ["1:15+17"]),
        (f"a 0ms..1ms id={ORPHAN_PARENT_ID}", ["1:15+16"]),
        ("a 0ms..1ms arrives=5", ["1:20+1"]),
        ("a 0ms..1ms arrives=-5s", ["1:20+3"]),
        ("a 0ms..1ms span:kind=server", ["1:12+9"]),
        ("a 0ms..1ms span.=server", ["1:12+5"]),
        ("a 0ms..1ms k=9223372036854775808", ["1:14+19"]),
        ("a 0ms..1ms k=1e999", ["1:14+5"]),
        ('a 0ms..1ms k="x"y', ["1:17+1"]),
        ('a 0ms..1ms k="x', ["1:14+2"]),
        ('a 0ms..1ms "k" v', ["1:12+3"]),
        ("a 0ms..1ms k=[a", ["1:14+2"]),
        ("a 0ms..1ms k=[a,]", ["1:17+1"]),
        ("a 0ms..1ms k=[,a]", ["1:15+1"]),
        ("a 0ms..1ms k=[[a]]", ["1:15+1"]),
        ("a 0ms..1ms k=[a]b", ["1:17+1"]),
        ("a 0ms..1ms event(", ["1:18+1"]),
        ("a 0ms..1ms event(x", ["1:12+7"]),
        ("a 0ms..1ms event(k=v)", ["1:18+1"]),
        ("a 0ms..1ms event(x, at=5)", ["1:24+1"]),
        ("a 0ms..1ms event(x, at=1ms, at=2ms)", ["1:29+2"]),
        ("a 0ms..1ms event(x, y)", ["1:21+1"]),
        ("a 0ms..1ms event(x,)", ["1:20+1"]),
        ("a 0ms..1ms event(x)y", ["1:20+1"]),
        ("a 0ms..1ms link(x)", ["1:17+1"]),
        ("a 0ms..1ms link(id=zz)", ["1:20+2"]),
        ("a 0ms..1ms link(id=1, id=2)", ["1:23+2"]),
        ("a 0ms..1ms link(id=1", ["1:12+9"]),
        ("a 0ms..1ms\n    b 0ms..1ms\n  c 0ms..1ms", ["3:3+1"]),
        ("  a 0ms..1ms\nb 0ms..1ms", ["2:1+1"]),
        ("a 0ms..1ms x y\nb 0ms..1ms\nc ..", ["1:12+1", "3:3+2"]),
    ],
)
def test_the_first_mistake_of_each_line_is_shown_where_it_stands(text: str, expected: list[str]) -> None:
    trace, diagnostics = parse_trace(PlainText(text))
    assert trace is None
    assert places(diagnostics) == [f"bad-trace {place}" for place in expected]


def test_a_line_with_a_mistake_still_opens_its_level() -> None:
    _, diagnostics = parse_trace(PlainText("a ?\n    b 0ms..1ms\n        c ?\n    d 0ms..1ms\n"))
    assert places(diagnostics) == ["bad-trace 1:3+1", "bad-trace 3:11+1"]


def test_reading_ends_after_fifty_bad_lines() -> None:
    _, diagnostics = parse_trace(PlainText("?\n" * 1000))
    assert len(diagnostics) == BAD_LINES_MAX


def test_the_fixed_instant_is_the_first_of_january_2026() -> None:
    assert time.gmtime(INSTANT_NS // 10**9)[:6] == (2026, 1, 1, 0, 0, 0)
    assert INSTANT_NS % 10**9 == 0


@pytest.mark.timed
@pytest.mark.parametrize(
    "text",
    [
        "a 0ms..1ms " + "k=1 " * 250_000,
        "a 0ms..1ms k=" + "[" * 1_000_000,
        "a 0ms..1ms k=[" + "a," * 500_000,
        "a 0ms..1ms " + "event(" * 160_000,
        "a 0ms..1ms event(a" + ", k=v" * 200_000,
        'a 0ms..1ms k="' + "\\" * 1_000_000,
        "a 0ms..1ms k=" + "9" * 1_000_000,
        "a " + "9" * 1_000_000 + "ms..1ms",
        "." * 1_000_000,
        "a " + "." * 1_000_000,
        " " * 1_000_000,
        "\n" * 1_000_000,
        "".join(" " * indent + "a 0ms..1ms\n" for indent in range(1400)),
        "a 0ms..1ms\n" * 80_000,
        "a 0ms..1ms " + "x" * 1_000_000 + "(",
    ],
    ids=lambda text: repr(text[:24]),
)
def test_a_megabyte_of_anything_is_read_in_seconds(text: str) -> None:
    with within(5):
        parse_trace(PlainText(text) if text.count("\n") < 2 else Unplaced(text))


class Unplaced(PlainText):
    """A long text whose places are of no interest: to count its lines anew for each would take longer than to read it."""

    def locate(self, offset: int, length: int = 1):  # type: ignore[no-untyped-def]  # noqa: ANN201
        del offset
        return PlainText(" ").locate(0, length)


PIECES = st.sampled_from(
    [
        "a",
        "0ms..1ms",
        " ",
        "  ",
        "\n",
        "\n  ",
        "k=",
        "id=",
        "parent=",
        "event(",
        "link(",
        ")",
        ",",
        "at=",
        "[",
        "]",
        '"',
        "`",
        "\\",
        "1",
        "-",
        "error",
        "é",
        "\t",
    ]
)


@given(
    st.lists(PIECES, max_size=30).map("".join)
    | st.text(max_size=60)
    | st.lists(PIECES, max_size=12).map(lambda some: "a 0ms..1ms " + "".join(some))
)
def test_any_text_is_a_trace_or_refused(text: str) -> None:
    trace, diagnostics = parse_trace(PlainText(text))
    assert (trace is None) == bool(diagnostics)
    assert {found.code for found in diagnostics} <= {Code.BAD_TRACE}
    if trace is not None:
        assert len(trace.lines) == sum(1 for written in text.split("\n") if written.strip(" \t\r"))
        assert all(len(span.span_id) == 16 and len(span.parent_id) in {0, 16} for span in trace.lines)
