"""What a span of the generated shop carries, by the family of its name."""

from __future__ import annotations

from random import Random

from loadtest.corpora import vocabulary as v
from loadtest.corpora.draft import Pairs

Drawn = list[tuple[str, "str | bool | int | float | tuple[str, ...]"]]

_MONEY = ("payment", "checkout", "fraud_check", "fraud", "tax")
_BASKET = ("cart", "inventory", "catalog")
_RANKING = ("search", "recommend", "model")
_SIGNING_IN = ("auth", "session")


def drawn(r: Random, service: str, name: str, count: int) -> Pairs:
    """Return attributes of a span: those of its protocol, of its business and of its process, cut or filled to about `count`."""
    family = v.family(name)
    process = _process(r, service, name)
    r.shuffle(process)
    pairs = _protocol(r, service, name, family) + _everyone(r) + _business(r, family, name)
    if len(pairs) < count:
        pairs += process[: count - len(pairs)]
    return tuple(pairs[:count])


def padded(r: Random, pairs: Pairs, count: int) -> Pairs:
    """Return the attributes with others before, between and after them, `count` in all: those of a team that writes down everything."""
    more: Drawn = [(f"app.detail.{number:02d}", hexadecimal(r, 12)) for number in range(max(0, count - len(pairs)))]
    mixed = [*pairs, *more]
    r.shuffle(mixed)
    return tuple(mixed)


def lengthened(r: Random, pairs: Pairs, size: int) -> Pairs:
    """Return the attributes with two long texts of about `size` characters: a prompt and its answer."""
    line = v.STATEMENTS[r.randrange(len(v.STATEMENTS))] + "\n"
    texts = [(key, line * max(1, r.randrange(size // 2, size * 3 // 2) // len(line))) for key in ("gen_ai.prompt", "gen_ai.completion")]
    mixed = [*pairs, *texts]
    r.shuffle(mixed)
    return tuple(mixed)


def hexadecimal(r: Random, digits: int) -> str:
    """Return so many hexadecimal digits."""
    return f"{r.getrandbits(4 * digits):0{digits}x}"


def _protocol(r: Random, service: str, name: str, family: str) -> Drawn:
    if family in v.HTTP_VERBS:
        return _http(r, name)
    if family in v.SQL_VERBS:
        return _sql(r, service, name)
    if family == "cache":
        return _cache(r, service, name)
    if family == "kafka":
        return _messaging(r)
    return _rpc(r, service, name)


def _http(r: Random, name: str) -> Drawn:
    verb, route = name.split(" ", 1)
    return [
        ("http.request.method", verb),
        ("url.scheme", "https"),
        ("http.route", route),
        ("url.path", route.replace("{id}", str(r.randrange(10**6)))),
        ("server.address", "shop.example.com"),
        ("server.port", 443),
        ("http.response.status_code", r.choices(*v.HTTP_STATUS)[0]),
        ("user_agent.original", r.choice(v.USER_AGENTS)),
        ("client.address", f"10.{r.randrange(256)}.{r.randrange(256)}.{r.randrange(256)}"),
        ("network.protocol.version", "1.1"),
    ]


def _sql(r: Random, service: str, name: str) -> Drawn:
    verb, table = name.split(" ", 1)
    return [
        ("db.system.name", "postgresql"),
        ("db.namespace", service),
        ("db.query.text", r.choice(v.STATEMENTS)),
        ("db.operation.name", verb),
        ("db.collection.name", table),
        ("server.address", f"pg-{service}-{r.randrange(3)}.db.svc.cluster.local"),
        ("server.port", 5432),
        ("db.response.returned_rows", r.randrange(500)),
    ]


def _cache(r: Random, service: str, name: str) -> Drawn:
    return [
        ("db.system.name", "redis"),
        ("db.operation.name", name.split(".")[1].upper()),
        ("cache.hit", r.random() < 0.8),
        ("cache.key", f"{service}:{hexadecimal(r, 16)}"),
        ("server.address", f"redis-{r.randrange(6)}.cache.svc.cluster.local"),
        ("server.port", 6379),
    ]


def _messaging(r: Random) -> Drawn:
    return [
        ("messaging.system", "kafka"),
        ("messaging.destination.name", "notifications"),
        ("messaging.destination.partition.id", str(r.randrange(64))),
        ("messaging.message.body.size", r.randrange(200, 9000)),
        ("messaging.operation.type", "send"),
    ]


def _rpc(r: Random, service: str, name: str) -> Drawn:
    return [
        ("rpc.system", "grpc"),
        ("rpc.service", f"shop.{service}.v1.{service.title()}Service"),
        ("rpc.method", name.rsplit(".", 1)[-1].title()),
        ("rpc.grpc.status_code", r.choices(*v.RPC_STATUS)[0]),
        ("server.address", f"{service}.shop.svc.cluster.local"),
    ]


def _everyone(r: Random) -> Drawn:
    return [
        ("user.id", f"u-{r.randrange(200_000):07d}"),
        ("session.id", hexadecimal(r, 16)),
        ("tenant.id", f"tenant-{r.randrange(40)}"),
        ("customer.tier", r.choices(*v.TIERS)[0]),
        ("region", r.choice(v.REGIONS)),
    ]


def _business(r: Random, family: str, name: str) -> Drawn:
    pairs: Drawn = []
    if family in _MONEY:
        pairs += _money(r)
    if family in ("fraud_check", "fraud"):
        pairs += [("risk.score", round(r.random(), 4)), ("approved", r.random() < 0.95)]
    if family in _SIGNING_IN:
        pairs += [("auth.method", r.choice(v.AUTH_METHODS)), ("mfa", r.random() < 0.4), ("login.attempts", r.randrange(1, 8))]
    if family in _BASKET:
        pairs += [("items.count", r.randrange(1, 30)), ("sku", f"SKU-{r.randrange(50_000):06d}")]
    if family in _RANKING:
        pairs += [
            ("result.count", r.randrange(1000)),
            ("model.name", f"ranker-v{r.randrange(1, 5)}"),
            ("query.length", r.randrange(1, 120)),
        ]
    if name == "retry":
        pairs += [("retry.attempt", r.randrange(1, 6)), ("retry.reason", r.choice(v.RETRY_REASONS))]
    if name == "database.query_pii":
        pairs += [("pii.fields", ("email", "phone")), ("rows", r.randrange(1, 5000)), ("justified", r.random() < 0.9)]
    return pairs


def _money(r: Random) -> Drawn:
    amount = round(r.lognormvariate(5, 1.4), 2)
    return [
        ("amount", amount if r.random() < 0.7 else int(amount)),
        ("currency", r.choices(*v.CURRENCIES)[0]),
        ("order.id", f"ord-{r.randrange(10**8):08d}"),
        ("payment.method", r.choices(*v.PAYMENT_METHODS)[0]),
    ]


def _process(r: Random, service: str, name: str) -> Drawn:
    return [
        ("thread.id", r.randrange(1, 300)),
        ("thread.name", f"worker-{r.randrange(64)}"),
        ("code.function.name", f"{service}.handle_{v.family(name).lower()}"),
        ("code.file.path", f"/app/src/{service}/handlers.py"),
        ("code.line.number", r.randrange(10, 900)),
        ("peer.service", r.choice(tuple(v.SERVICES))),
        ("build.commit", hexadecimal(r, 12)),
        ("feature.new_flow", r.random() < 0.1),
        ("duration.queue_ms", round(r.expovariate(1 / 8), 3)),
    ]
