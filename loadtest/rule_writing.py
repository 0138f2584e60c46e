"""Rules of the load test, written by a seeded hand: about named spans of the generated shop, about any span, about orders."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import TypeAlias

from compiler import RuleSet, SourceFile, compile_sources
from loadtest.corpora import vocabulary as v

# Names that incidents are about; rules mention them more often than the rest.
_FAVOURITES = (
    *("payment", "fraud_check", "retry", "auth.bypass", "checkout", "payment.refund", "database.query_pii", "audit.log"),
    *("auth.verify_token", "cache.get", "GET /api/orders/{id}", "POST /api/checkout"),
)
_ALL_NAMES = tuple(sorted({name for names in v.SERVICES.values() for name in names}))
_MONEY, _DATABASE, _HTTP = ("payment", "checkout", "fraud", "fraud_check", "tax"), v.SQL_VERBS, v.HTTP_VERBS
_FAMILIES_WITHOUT_RPC = ("cache", "kafka", *_DATABASE, *_HTTP)

# key: the families that have it, the least and the most that makes sense.
_NUMBERS: dict[str, tuple[Sequence[str], float, float]] = {
    "amount": (_MONEY, 1, 3000),
    "risk.score": (("fraud", "fraud_check"), 0, 1),
    "retry.attempt": (("retry",), 1, 6),
    "login.attempts": (("auth", "session"), 1, 8),
    "http.response.status_code": (_HTTP, 200, 504),
    "db.response.returned_rows": (_DATABASE, 0, 500),
    "items.count": (("cart", "inventory", "catalog"), 1, 30),
    "result.count": (("search", "recommend", "model"), 0, 1000),
    "rows": (("database",), 1, 5000),
    "messaging.message.body.size": (("kafka",), 200, 9000),
}
_TEXTS: dict[str, tuple[Sequence[str], Sequence[str]]] = {
    "currency": (_MONEY, v.CURRENCIES[0]),
    "payment.method": (_MONEY, v.PAYMENT_METHODS[0]),
    "customer.tier": ((), v.TIERS[0]),
    "region": ((), v.REGIONS),
    "auth.method": (("auth", "session"), v.AUTH_METHODS),
    "retry.reason": (("retry",), v.RETRY_REASONS),
    "tenant.id": ((), ("tenant-1", "tenant-7", "tenant-33")),
}
_SWITCHES: dict[str, Sequence[str]] = {
    "approved": ("fraud", "fraud_check"),
    "cache.hit": ("cache",),
    "mfa": ("auth", "session"),
    "justified": ("database",),
}
_PATTERNS: dict[str, tuple[Sequence[str], Sequence[str]]] = {
    "url.path": (_HTTP, ("^/api/orders/[0-9]+$", "^/api/(login|profile)$", "products")),
    "user.id": ((), ("^u-00[0-4]", "7$")),
    "server.address": ((*_DATABASE, "cache"), (r"^pg-.*-0\.db\.", "redis-[0-2]")),
}
_PATTERN_SHARE = 0.06

# One statement about some spans, drawn.
_Atom: TypeAlias = Callable[[Random], str]


def named_rules(seed: int) -> Iterator[str]:
    """Yield rules about spans by name without end: existence, counts, comparisons, sets, substrings, 6 % patterns."""
    r = Random(seed)
    yield ('when { payment.where(amount > 100 and currency == "USD") } always { fraud_check and count(retry) <= 3 } never { auth.bypass }')
    yield "when { database.query_pii.where(rows > 0) } always { audit.log } never { database.query_pii.where(justified == false) }"
    while True:
        yield _rule(r, _named_atom)


def unnamed_rules(seed: int) -> Iterator[str]:
    """Yield rules that name no span without end: every span has to be looked at."""
    r = Random(seed)
    yield "never { span.where(http.response.status_code >= 500 and span:duration > 1ms) }"
    yield "never { span.where(resource.service.name == payments and span:status == error) }"
    while True:
        yield _rule(r, _unnamed_atom)


def order_rules() -> Iterator[str]:
    """Yield ten rules of relations, joins, groups and `for each` over the traces of orders."""
    yield from (
        "for each payment.charge as c always { fraud.check before c on order.id }",
        "for each payment.charge as c always { payment.authorize.where(order.id == c.order.id and amount >= c.amount) }",
        "for each mail.send as m always { audit.log before m on order.id within 100ms }",
        "always { every count(stock.reserve by order.id) == count(stock.release by order.id) }",
        "never { some count(payment.charge by order.id) > 1 }",
        "never { db.query.where(db.rows > 990) under root }",
        "never { db.query.where(db.rows > 900) before payment.authorize on order.id within 1ms }",
        "for each order.process as o when { stock.release child of o } always { audit.log child of o }",
        "when { payment.charge } never { some sum(payment.charge.amount by order.id) > 2000 }",
        "never { retry.where(span:duration > 1ms) sibling of db.query.where(db.rows < 50) }",
    )


def rule_file(texts: Sequence[str], prefix: str) -> SourceFile:
    """Return a rule file with these rules, named prefix-0001 and so on."""
    rules = "".join(f"  - id: {prefix}-{number:04d}\n    rule: |-\n      {text}\n" for number, text in enumerate(texts, start=1))
    return SourceFile(f"{prefix}.yaml", f"rules:\n{rules}".encode())


def compiled(sources: Sequence[SourceFile]) -> RuleSet:
    """Return the rule set of some files; raises ValueError with the first error where it does not load."""
    compilation = compile_sources(sources)
    if compilation.rule_set is None:
        raise ValueError(f"the rules do not load: {compilation.errors[0]}")
    return compilation.rule_set


def _rule(r: Random, atom: _Atom) -> str:
    clauses = [f"when {{ {_formula(r, atom)} }}"]
    always = r.random() < 0.8
    if always:
        clauses.append(f"always {{ {_formula(r, atom)} }}")
    if not always or r.random() < 0.5:
        clauses.append(f"never {{ {_formula(r, atom)} }}")
    return " ".join(clauses)


def _formula(r: Random, atom: _Atom, depth: int = 0) -> str:
    chosen = r.random()
    if chosen < 0.5 or depth > 1:
        return atom(r)
    if chosen < 0.95:
        return f"({atom(r)} {'and' if chosen < 0.85 else 'or'} {_formula(r, atom, depth + 1)})"
    return f"not {atom(r)}"


def _named_atom(r: Random) -> str:
    name = r.choice(_FAVOURITES if r.random() < 0.6 else _ALL_NAMES)
    selector, chosen = json.dumps(name), r.random()
    if chosen < 0.25:
        return selector
    if chosen < 0.42:
        where = f".where({_predicate(r, v.family(name))})" if r.random() < 0.2 else ""
        return f"count({selector}{where}) {r.choice(('<=', '<', '>', '>=', '=='))} {r.randrange(1, 6)}"
    return f"{selector}.where({_predicate(r, v.family(name))})"


def _unnamed_atom(r: Random) -> str:
    family = v.family(r.choice(_ALL_NAMES))
    own = r.choice(
        (
            f"span:duration > {r.choice((2, 5, 20, 60))}ms",
            "span:status == error",
            "span:kind == server",
            f"resource.service.name == {r.choice(tuple(v.SERVICES))}",
            f'resource.service.version startswith "2.{r.randrange(9)}"',
            _predicate(r, family),
            _predicate(r, family),
        )
    )
    if r.random() < 0.25:
        return f"count(span.where({own})) > {r.randrange(1, 8)}"
    return f"span.where({own} and {_comparison(r, family)})"


def _predicate(r: Random, family: str) -> str:
    parts = [_comparison(r, family) for _ in range(r.choice((1, 1, 2, 2, 3)))]
    if len(parts) == 1:
        return parts[0] if r.random() < 0.95 else f"not {parts[0]}"
    return f" {r.choice(('and', 'and', 'and', 'or'))} ".join(parts)


def _comparison(r: Random, family: str) -> str:
    if r.random() < _PATTERN_SHARE:
        key = r.choice([key for key, (families, _) in _PATTERNS.items() if not families or family in families])
        return f"{key} matches `{r.choice(_PATTERNS[key][1])}`"
    numbers = [key for key, (families, _, _) in _NUMBERS.items() if family in families]
    texts = [key for key, (families, _) in _TEXTS.items() if not families or family in families]
    switches = [key for key, families in _SWITCHES.items() if family in families]
    grpc = [] if family in _FAMILIES_WITHOUT_RPC else ["rpc.grpc.status_code"]
    key = r.choice(numbers + texts + switches + grpc)
    if key in _SWITCHES:
        return f"{key} == {r.choice(('true', 'false'))}"
    return _text_test(r, key) if key in _TEXTS else _number_test(r, key)


def _number_test(r: Random, key: str) -> str:
    if key == "rpc.grpc.status_code":
        return f"{key} {r.choice(('==', '!=', '>'))} {r.choice((0, 2, 4))}"
    _, least, most = _NUMBERS[key]
    drawn = r.uniform(least, most)
    number = f"{drawn:.3f}" if most <= 1 else str(int(drawn))
    return f"{key} {r.choice(('>', '>', '>=', '<', '<='))} {number}"


def _text_test(r: Random, key: str) -> str:
    words, chosen = _TEXTS[key][1], r.random()
    if chosen < 0.2:
        return f"{key} in [{', '.join(json.dumps(word) for word in r.sample(words, 2))}]"
    if chosen < 0.3:
        return f"{key} != {json.dumps(r.choice(words))}"
    if chosen < 0.36:
        return f"{key} exists"
    if chosen < 0.42:
        return f"{key} contains {json.dumps(r.choice(words)[:4])}"
    return f"{key} == {json.dumps(r.choice(words))}"
