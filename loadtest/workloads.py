"""The workloads of the engine: which rules over which corpus, and the promise that its figure is held against."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import islice

from cli.shop_rules import SHOP_RULES
from loadtest.corpora.corpus import Corpus, Form, enough, recorded, written
from loadtest.corpora.draft import Trace
from loadtest.corpora.order_traces import order_traces
from loadtest.corpora.shop_traces import Shape, shop_traces
from loadtest.corpora.wire import Layout
from loadtest.rows import FEW_RULES, FIFTY_RULES, MANY_RULES, NO_BAR, RELATIONS, WITHOUT_NAMES, Bar
from loadtest.rule_sample import RuleSample, firing, sampled
from loadtest.rule_writing import compiled, named_rules, order_rules, rule_file, unnamed_rules
from processor.rule_directory import read_sources
from topics.recordings import SHOP_PROTO_BATCHED, SHOP_PROTO_KEYED

# What the reference engine judges beside a candidate, and what rules are drawn by.
SAMPLE_SPAN_COUNT = 1_000
MANY_ATTRIBUTES = Shape(attribute_count=60)
LONG_TEXTS = Shape(text_size=4_000)
FEW_SPANS, SHORT_TRACE, DEEP_TRACE = 10, 20, 2_000
DRAWN_COUNT = 1_000
_BATCHES = "batches of many traces"
_KEYED = "keyed records of one trace"


@dataclass(frozen=True, slots=True)
class Workload:
    """Rules over a corpus, for a row; `against_python`: also compared with what Python users would write."""

    row: int
    name: str
    rules: RuleSample
    corpus: Corpus
    bar: Bar
    against_python: bool = False

    @property
    def label(self) -> str:
        """What it is called in a report."""
        return f"{self.name}; {self.corpus.form}, {self.corpus.layout}"


class Workloads:
    """All workloads, made of one seed, with about `span_count` spans each; `named` makes so many rules about spans by name that fire."""

    def __init__(self, seed: int, span_count: int) -> None:
        self.seed = seed
        self.span_count = span_count
        self.named = cache(self._named)
        self.relations = cache(self._relations)
        self._shop = cache(self._new_shop)

    @cached_property
    def shop(self) -> list[Trace]:
        """Traces of the generated shop."""
        return enough(shop_traces(self.seed), self.span_count)

    @cached_property
    def sample(self) -> Corpus:
        """The first traces of the shop, by which rules are drawn."""
        return written("shop, sample", enough(iter(self.shop), min(SAMPLE_SPAN_COUNT, self.span_count)), Form.TRACES, Layout.ASCENDING)

    def _named(self, count: int) -> RuleSample:
        """Return rules about spans by name that fire."""
        return firing(f"named {count}", named_rules(self.seed), count, self.sample)

    def plain(self, rules: RuleSample) -> Workload:
        """Return row 1 as most traces come: each in a record of its own, as a Collector writes it."""
        return Workload(1, f"{len(rules.violated)} rules", rules, self._shop(Form.TRACES, Layout.COLLECTOR), FEW_RULES)

    def of_ten_spans(self) -> Corpus:
        """Return traces of ten spans, the first of each trace of the shop."""
        return written("shop, ten spans", [trace[:FEW_SPANS] for trace in self.shop], Form.TRACES, Layout.COLLECTOR)

    def by_name(self) -> Iterator[Workload]:
        """Yield row 1, and of row 2 very many rules: about spans by name; with 10 rules in both forms and layouts."""
        few, one = self.named(10), self.named(1)
        for form in Form:
            for layout in Layout:
                yield Workload(1, "10 rules", few, self._shop(form, layout), FEW_RULES, against_python=True)
        for form in Form:
            yield Workload(1, "1 rule", one, self._shop(form, Layout.COLLECTOR), FEW_RULES)
        yield self._of_very_many()

    def in_both_forms(self) -> Iterator[tuple[Workload, Workload]]:
        """Yield row 2: many rules about spans by name, on records of one trace, which a worker judges, and on batches."""
        for count, bar in ((50, FIFTY_RULES), (200, MANY_RULES)):
            name, rules = f"{count} rules", self.named(count)
            traces, batches = (self._shop(form, Layout.COLLECTOR) for form in (Form.TRACES, Form.BATCHES))
            yield Workload(2, name, rules, traces, bar), Workload(2, name, rules, batches, bar)

    def wide(self) -> Iterator[Workload]:
        """Yield row 1 on other spans: with 60 attributes, with texts of thousands of characters."""
        few = self.named(10)
        for name, shape in (("60 attributes a span", MANY_ATTRIBUTES), ("long texts", LONG_TEXTS)):
            traces = enough(shop_traces(self.seed, shape), self.span_count // 2)
            corpus = written(f"shop, {name}", traces, Form.BATCHES, Layout.COLLECTOR)
            yield Workload(1, f"10 rules, {name}", few, corpus, FEW_RULES)

    def without_names(self) -> Iterator[Workload]:
        """Yield row 12: rules that name no span."""
        rules = firing("unnamed 10", unnamed_rules(self.seed), 10, self.sample)
        for form in Form:
            yield Workload(12, "10 rules without a span name", rules, self._shop(form, Layout.COLLECTOR), WITHOUT_NAMES)

    def _relations(self) -> tuple[Workload, Workload]:
        """Return row 13: relations, joins and `for each` on short and on deep traces."""
        short, deep = (self._orders(length) for length in (SHORT_TRACE, DEEP_TRACE))
        rules = sampled("relations 10", compiled([rule_file(list(order_rules()), "relations")]), short.prefix(4 * SAMPLE_SPAN_COUNT))
        name = "10 rules of relations, joins and for each, traces of {} spans"
        return (
            Workload(13, name.format(SHORT_TRACE), rules, short, RELATIONS),
            Workload(13, name.format(DEEP_TRACE), rules, deep, RELATIONS),
        )

    def each_kind(self) -> Iterator[Workload]:
        """Yield one workload of each kind, for whoever looks closer."""
        yield self.plain(self.named(10))
        yield self.plain(self.named(200))
        for some in (self.wide(), self.without_names(), self.recordings()):
            yield next(some)
        yield from self.relations()

    def recordings(self) -> Iterator[Workload]:
        """Yield row 13 on what a Collector recorded, by the rules of the recorded shop: most are relations or `for each`."""
        rule_set = compiled(read_sources(SHOP_RULES))
        for file, form in ((SHOP_PROTO_KEYED, _KEYED), (SHOP_PROTO_BATCHED, _BATCHES)):
            corpus = recorded("recorded shop", file, form, self.span_count)
            rules = sampled(f"rules of the recorded shop, {form}", rule_set, corpus.prefix(4 * SAMPLE_SPAN_COUNT))
            yield Workload(13, f"the recorded shop by its {len(rules.violated)} rules", rules, corpus, NO_BAR)

    def _of_very_many(self) -> Workload:
        """Return row 2 of so many rules that not each of them need fire, over fewer spans."""
        rule_set = compiled([rule_file(list(islice(named_rules(self.seed), DRAWN_COUNT)), "drawn")])
        corpus = written("shop, a quarter", enough(iter(self.shop), self.span_count // 4), Form.TRACES, Layout.COLLECTOR)
        return Workload(2, f"{DRAWN_COUNT} rules", sampled(f"named {DRAWN_COUNT}", rule_set, self.sample), corpus, NO_BAR)

    def _new_shop(self, form: Form, layout: Layout) -> Corpus:
        return written("shop", self.shop, form, layout)

    def _orders(self, length: int) -> Corpus:
        traces = enough(order_traces(self.seed, length), max(self.span_count, 2 * DEEP_TRACE))
        return written(f"orders, traces of {length} spans", traces, Form.TRACES, Layout.COLLECTOR)
