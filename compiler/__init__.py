"""The meaning: rule text to verdicts. Pure; imports none of ours.

This module is the room's public face; the other rooms use only what it names.
"""

from compiler.compile import compile_sources
from compiler.diagnostics import Code, Diagnostic, Severity
from compiler.explain import Explanation, explain
from compiler.format import Formatted, format_rule_file
from compiler.judge import ReferenceEngine, judge
from compiler.language_version import LANGUAGE_VERSION
from compiler.notation import INSTANT_NS, TRACE_ID, SpanLine, TestTrace
from compiler.render import DiagnosticRecord, diagnostic_json, render
from compiler.report import RuleClass, RuleReport, StateReport
from compiler.rule_file_schema import rule_file_schema_text
from compiler.rule_set import Compilation, Rule, RuleException, RuleSet, RuleTest, RuleText
from compiler.rule_slices import LetClashError, joined_rules, rule_texts, rules_at
from compiler.rule_splices import SpliceError, with_rules
from compiler.rule_versions import with_versions
from compiler.source import Region, SourceFile
from compiler.trace import Span, TraceView
from compiler.verdict import Closing, Comparison, Judgement, Verdict

__all__ = [
    "INSTANT_NS",
    "LANGUAGE_VERSION",
    "TRACE_ID",
    "Closing",
    "Code",
    "Comparison",
    "Compilation",
    "Diagnostic",
    "DiagnosticRecord",
    "Explanation",
    "Formatted",
    "Judgement",
    "LetClashError",
    "ReferenceEngine",
    "Region",
    "Rule",
    "RuleClass",
    "RuleException",
    "RuleReport",
    "RuleSet",
    "RuleTest",
    "RuleText",
    "Severity",
    "SourceFile",
    "Span",
    "SpanLine",
    "SpliceError",
    "StateReport",
    "TestTrace",
    "TraceView",
    "Verdict",
    "compile_sources",
    "diagnostic_json",
    "explain",
    "format_rule_file",
    "joined_rules",
    "judge",
    "render",
    "rule_file_schema_text",
    "rule_texts",
    "rules_at",
    "with_rules",
    "with_versions",
]
