"""The canonical form of rule files: what it looks like."""

from __future__ import annotations

from textwrap import dedent

from compiler import Code, SourceFile, compile_sources, format_rule_file
from compiler.format_rule import format_rule


def _formatted(content: str) -> str:
    formatted = format_rule_file(SourceFile("a.yaml", content.encode()))
    assert formatted.content is not None, formatted.errors
    return formatted.content.decode()


def _rule(text: str, width: int = 60) -> str:
    return "\n".join(format_rule(dedent(text).strip(), width)) + "\n"


WRITTEN = """\
# Rules of the shop.

rules:   # all of them
- condition: "when{ payment.charge.where(amount>1000) } always{fraud.check}"
  # who it is
  id: 'charge'
  compliance_frameworks: ["SOC2:CC7.2",'PCI']   # two


  enabled: True
  description: "a text: with a colon"
  tests:
  - expect: {31s: violated,
             12s: unknown}
    trace: |
        shop 0ms..90ms   service=shop   kind=server
          # not a comment but a name
          payment.charge 10ms..31ms amount=5000
    name: "first"
  example_violation:  # of old
    description: From before
    trace:
      - {span: "POST /x", attributes: {amount: 5, service: a, zip: "02134", ok: true, "k v": [1, a b]}}
      - span: b
  # the end
let:
    cards:   # countries
      - US
      - "NO"
      - "10ms"
    high: payment.charge.where( amount>1000 )
""".replace("          # not a comment but a name\n", "")
CANONICAL = """\
# Rules of the shop.

let:
  cards: [US, NO, "10ms"]  # countries
  high: payment.charge.where(amount > 1000)
rules:  # all of them
  # who it is
  - id: charge
    description: "a text: with a colon"
    enabled: true
    controls: ["SOC2:CC7.2", PCI]  # two
    rule: |
      when   { payment.charge.where(amount > 1000) }
      always { fraud.check }
    tests:
      - name: first
        trace: |
          shop              0ms..90ms   service=shop kind=server
            payment.charge  10ms..31ms  amount=5000
        expect: {31s: violated, 12s: unknown}
      # of old
      - name: From before
        trace: |
          "POST /x"  0ms..1ms  amount=5 "service"=a zip="02134" ok=true "k v"=[1,"a b"]
          b          1ms..2ms
        expect: violated
    # the end
"""


def test_a_file_has_its_keys_in_order_its_present_spellings_and_its_comments() -> None:
    assert _formatted(WRITTEN) == CANONICAL.replace("    enabled: true", "\n    enabled: true")


def test_an_example_of_old_becomes_a_test_of_the_same_spans() -> None:
    before, after = (compile_sources([SourceFile("a.yaml", text.encode())]).rule_set for text in (WRITTEN, _formatted(WRITTEN)))
    assert before is not None
    assert after is not None
    for old, new in zip(before.rules[0].tests[1].trace.lines, after.rules[0].tests[1].trace.lines, strict=True):
        assert (old.name, old.start_ns, old.end_ns, old.span_id) == (new.name, new.start_ns, new.end_ns, new.span_id)
        assert old.attributes == new.attributes
        assert not new.resource


def test_an_example_with_a_value_that_no_trace_can_say_stays() -> None:
    shown = _formatted(
        "rules: [{id: a, rule: never { b }, example_violation: {trace: [{span: b, attributes: {m: {x: [null, 1]}}}]}}]".replace(
            "never { b }", "'never { b }'"
        )
    )
    assert shown.endswith("    example_violation: {trace: [{span: b, attributes: {m: {x: [null, 1]}}}]}\n")


def test_brackets_stay_only_where_they_say_something() -> None:
    assert _rule("always { ((a and ((b)))) or (c) implies (not (d)) }") == "always { a and b or c implies not d }\n"
    assert _rule("always { (a or b) and not (c and d) }") == "always { (a or b) and not (c and d) }\n"
    assert _rule("always { (a implies b) implies (c implies d) }") == "always { (a implies b) implies c implies d }\n"
    assert (
        _rule("always { a.where(-(5) < -(-5) - (x - 1) and (y * 2) + 1 > 0) }")
        == "always { a.where(-(5) < --5 - (x - 1) and y * 2 + 1 > 0) }\n"
    )
    assert _rule("always { a.where(currency == (USD) and b == (1)) }") == "always { a.where(currency == (USD) and b == 1) }\n"


def test_numbers_durations_and_strings_stay_as_they_are_written() -> None:
    text = 'always { a.where(x > 1e6 and y == "\\u0041" and z matches `^\\d` and span:duration < 1500ms) }\n'
    assert _rule(text, 100) == text


def test_a_raw_string_over_lines_becomes_one_with_escapes() -> None:
    assert _rule("always { a.where(x == `b\n\tc`) }") == 'always { a.where(x == "b\\n\\tc") }\n'


def test_clauses_and_lets_line_up() -> None:
    assert _rule("let a=b let longer = [x,1] for each a as p when{p.k>1} never{b.where(k in longer)}") == dedent("""\
        let a      = b
        let longer = [x, 1]
        for each a as p
        when  { p.k > 1 }
        never { b.where(k in longer) }
    """)


def test_a_long_formula_breaks_at_its_loosest_connective_first() -> None:
    text = "always { charge.where(amount > 1000 and country in [AT, BE, CH]) or check before charge on order and refund implies audit }"
    assert _rule(text) == dedent("""\
        always {
          charge.where(amount > 1000 and country in [AT, BE, CH])
            or check before charge on order and refund
          implies audit
        }
    """)
    assert _rule(text, 40) == dedent("""\
        always {
          charge.where(
              amount > 1000
              and country in [AT, BE, CH]
            )
            or check before charge on order
              and refund
          implies audit
        }
    """)


def test_a_long_list_is_wrapped() -> None:
    assert _rule("let c = [AT, BE, CH, DE, ES, FR] never { a.where(k in c) }", 25) == dedent("""\
        let c = [
          AT, BE, CH, DE, ES, FR
        ]
        never { a.where(k in c) }
    """)
    assert "\n  AT, BE, CH, DE,\n  ES, FR\n]" in _rule("let c = [AT, BE, CH, DE, ES, FR] never { a.where(k in c) }", 20)


def test_comments_stay_between_the_words_they_stood_between() -> None:
    text = """
        // of the rule
        when { a /* in */ and ( b // behind
          ) }

        # above
        always { c

          // last
        } /* of the clause */
        // of nothing more
    """
    assert _rule(text) == dedent("""\
        // of the rule
        when   {
          a /* in */ and b  // behind
        }

        # above
        always {
          c
          // last
        }  /* of the clause */
        // of nothing more
    """)


LONG = """
rules:
- id: a
  name: {words}
  description: >
     one
      two

     three
  tags: [{tags}]
  rule: never {{ b }}
"""


def test_long_texts_and_lists_are_wrapped_and_blocks_stay_as_they_are() -> None:
    shown = _formatted(LONG.format(words=" ".join(["word"] * 30), tags=", ".join(["tag"] * 30)))
    assert "    name: >-\n      word word" in shown
    assert "    description: >\n      one\n       two\n\n      three\n" in shown
    assert "    tags: [tag, tag" in shown
    assert "\n           tag, tag" in shown
    assert max(map(len, shown.splitlines())) <= 100


def test_a_text_is_quoted_only_where_yaml_would_read_another_one() -> None:
    texts = ["yes", "NO", "12", "1e3", "true", "~", "- a", "a: b", "a #b", "'a", "it's", "2027-01-31", "a\\b", "", " a", "#a", "x:y"]
    plain = {"yes", "NO", "it's", "2027-01-31", "a\\b", "x:y"}
    for text in texts:
        shown = _formatted(f"""rules: [{{id: a, name: '{text.replace("'", "''")}', rule: "never {{ b }}"}}]""")
        name = next(line for line in shown.splitlines() if "name:" in line).partition("name: ")[2]
        assert (name == text) is (text in plain), name
        compilation = compile_sources([SourceFile("a.yaml", shown.encode())])
        assert compilation.rule_set is not None
        assert compilation.rule_set.rules[0].text.name == text


def test_a_character_that_a_block_cannot_hold_stays_an_escape() -> None:
    assert '"never { b.where(c == \\"\\u2028\\") }\\n"' in _formatted('rules: [{id: a, rule: "never{b.where(c==\\"\\u2028\\")}"}]')


COMMENTED = """\
rules:
  - id: one
    name:
      # of the name
      text
    rule: |
      never { a }
    # the end of one
  # of two
  - id: two
    rule: |
      never { b }
  # the end of the rules
"""


def test_a_comment_on_its_own_line_belongs_to_what_it_is_indented_with() -> None:
    shown = COMMENTED.replace("    name:\n      # of the name\n      text", "    # of the name\n    name: text")
    assert _formatted(COMMENTED) == shown
    assert _formatted(COMMENTED.replace("  # of two", "# of two")) == shown


def test_a_comment_that_ends_its_line_stays_behind_what_it_follows() -> None:
    assert _rule("when { a } /* x */\nalways { b }") == "when   { a }  /* x */\nalways { b }\n"


def test_of_several_comments_behind_one_key_each_is_there_once() -> None:
    shown = _formatted('{"rules":  # a\n[{"id": "one",  # b\n"rule": "never { a }"}]  # c\n}\n')
    assert shown == "# a\nrules:  # c\n  - id: one  # b\n    rule: |\n      never { a }\n"


def test_line_breaks_stay_those_of_the_file() -> None:
    shown = _formatted("rules:\r\n- id: a\r\n  rule: |\r\n    never { b } // c\r\n")
    assert shown == "rules:\r\n  - id: a\r\n    rule: |\r\n      never { b }  // c\r\n"


def test_a_file_with_errors_is_refused_with_all_of_them() -> None:
    formatted = format_rule_file(SourceFile("a.yaml", b"rules: [{id: a, rule: b, x: 1}]"))
    assert formatted.content is None
    assert {error.code for error in formatted.errors} == {Code.NEEDS_ALWAYS_OR_NEVER, Code.UNKNOWN_KEY}


def test_a_rule_that_layout_would_take_beyond_its_limit_is_refused() -> None:
    tests = " and ".join(f"a>{number}" for number in range(6000))
    formatted = format_rule_file(SourceFile("a.yaml", f"rules: [{{id: a, rule: 'never {{ b.where({tests}) }}'}}]".encode()))
    assert formatted.content is None
    assert [error.code for error in formatted.errors] == [Code.TOO_LARGE]
    assert formatted.errors[0].message.startswith("in its canonical form the rule has ")


def test_blank_lines_of_a_trace_stay_since_spans_have_their_ids_by_line() -> None:
    trace = (
        "rules:\n- id: a\n  rule: never { b }\n  tests:\n  - trace: |\n      b 0ms..1ms\n\n      c  1ms..2ms x=1\n    expect: violated\n"
    )
    assert "          b  0ms..1ms\n\n          c  1ms..2ms  x=1\n" in _formatted(trace)


def test_the_layout_of_an_exception_makes_no_new_version() -> None:
    file = "rules: [{{id: a, rule: never {{ b }}, exceptions: [{{name: x, when: '{}'}}]}}]".replace("never {{ b }}", "'never {{ b }}'")
    sets = [
        compile_sources([SourceFile("a.yaml", file.format(when).encode())]).rule_set
        for when in ("root.k > 1", "root.k>1 // c", "root.k > 2")
    ]
    versions = [one.rules[0].version for one in sets if one is not None]
    assert versions[0] == versions[1] != versions[2]


def test_a_long_description_of_an_example_is_folded_as_the_name_of_its_test_is() -> None:
    example = f"{{description: {'long words ' * 12}, trace: [{{span: b}}]}}"
    formatted = _formatted(f"rules:\n  - id: a\n    rule: never {{ b }}\n    example_violation: {example}\n")
    assert "      - name: >-\n          long words long words" in formatted
    assert _formatted(formatted) == formatted
