"""An engine of the flow asked what the corpus `judge/` asks: its spans come as OTLP, its verdicts must be those it explains."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from processor.trace_engine import VERDICTS, Asked, TakenRecord, TakePolicy, batch_of
from topics.otlp import encode_protobuf

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from compiler import Closing, Judgement, RuleSet, TraceView
    from processor.engines import EngineMaker as TraceEngineMaker
    from processor.trace_engine import TraceEngine
    from tests.conformance.run_judge import Engine, EngineMaker
    from topics.span import Span


def behind_the_flow(make: TraceEngineMaker, warm_times: int = 0) -> EngineMaker:
    """Return what makes such an engine for the suite; it is asked about each trace so many times before the one that counts."""

    def make_asked(rule_set: RuleSet, *, skew_tolerance_ns: int, offender_count_max: int) -> Engine:
        return _Asked(make(rule_set, skew_tolerance_ns, offender_count_max), warm_times)

    return make_asked


class _Asked:
    """Hands each trace to the engine, a record for each span, asks, and drops it."""

    def __init__(self, engine: TraceEngine, warm_times: int) -> None:
        self._engine = engine
        self._warm_times = warm_times

    def judge(self, view: TraceView, closing: Closing, opened_ns: int | None) -> Sequence[Judgement]:
        spans = cast("Iterable[Span]", view.by_id.values())
        records = [TakenRecord(encode_protobuf([span]), "protobuf", 0) for span in spans]
        if not records:
            return []
        warm = set()
        for _ in range(self._warm_times):
            asked, codes = self._asked(records, closing, opened_ns)
            warm.add(codes)
            self._engine.drop_many([asked.handle])
        asked, codes = self._asked(records, closing, opened_ns)
        assert warm <= {codes}
        judgements = [self._engine.explain(asked, index) for index in range(len(codes))]
        self._engine.drop_many([asked.handle])
        assert [judgement.verdict for judgement in judgements] == [VERDICTS[code] for code in codes]
        return judgements

    def _asked(self, records: Sequence[TakenRecord], closing: Closing, opened_ns: int | None) -> tuple[Asked, bytes]:
        taken = self._engine.take(0, batch_of(records), TakePolicy(len(records)))
        assert not taken.refused
        asked = Asked(taken.touches[0].handle, closing, opened_ns)
        (codes,) = self._engine.judge([asked])
        return asked, codes
