"""The words of the generated shop: services, span names, what their attributes are called and may hold."""

from __future__ import annotations

from typing import Final

SERVICES: Final[dict[str, tuple[str, ...]]] = {
    "gateway": ("GET /api/orders/{id}", "POST /api/checkout", "GET /api/products", "POST /api/login", "GET /api/profile"),
    "checkout": ("checkout", "checkout.validate", "checkout.reserve", "tax.compute", "retry"),
    "payments": ("payment", "payment.authorize", "payment.capture", "payment.refund", "retry"),
    "fraud": ("fraud_check", "fraud.score", "fraud.rules", "retry", "audit.log"),
    "inventory": ("inventory.reserve", "inventory.lookup", "SELECT stock", "UPDATE stock", "cache.get"),
    "shipping": ("shipping.quote", "shipping.label", "carrier.call", "retry", "INSERT shipments"),
    "auth": ("auth.login", "auth.verify_token", "auth.bypass", "session.create", "SELECT users"),
    "catalog": ("catalog.list", "catalog.item", "SELECT products", "cache.get", "cache.set"),
    "search": ("search.query", "search.rank", "es.search", "cache.get", "search.suggest"),
    "notify": ("notify.email", "notify.sms", "kafka.publish", "template.render", "audit.log"),
    "cart": ("cart.add", "cart.get", "SELECT carts", "cache.get", "cache.set"),
    "recommend": ("recommend.items", "model.infer", "feature.fetch", "cache.get", "database.query_pii"),
}
ENTRY: Final = "gateway"
# How often a name is kept when it is drawn: what should not happen, seldom does.
KEPT: Final = {"auth.bypass": 0.03, "database.query_pii": 0.2, "payment.refund": 0.2}

USER_AGENTS: Final = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Mobile/15E148",
    "okhttp/4.12.0",
    "Go-http-client/2.0",
    "python-requests/2.32.3",
)
STATEMENTS: Final = (
    "SELECT id, sku, qty, updated_at FROM stock WHERE sku = $1 AND warehouse_id = $2 FOR UPDATE",
    "SELECT u.id, u.email, u.tier FROM users u WHERE u.email = $1",
    "UPDATE stock SET qty = qty - $1, updated_at = now() WHERE sku = $2 AND qty >= $1 RETURNING qty",
    "INSERT INTO shipments (order_id, carrier, label, cost, created_at) VALUES ($1,$2,$3,$4,now())",
    "SELECT p.* FROM products p JOIN categories c ON c.id = p.category_id WHERE c.slug = $1 ORDER BY p.rank DESC LIMIT 50",
)
HTTP_STATUS: Final = ((200, 201, 302, 400, 401, 404, 500, 503), (70, 10, 3, 5, 4, 4, 3, 1))
RPC_STATUS: Final = ((0, 2, 4, 13, 14), (92, 2, 2, 2, 2))
CURRENCIES: Final = (("USD", "EUR", "GBP", "INR"), (50, 25, 15, 10))
PAYMENT_METHODS: Final = (("card", "paypal", "wire", "crypto"), (70, 20, 7, 3))
TIERS: Final = (("free", "silver", "gold", "premium"), (50, 25, 15, 10))
REGIONS: Final = ("eu-west-1", "us-east-1", "ap-south-1")
RETRY_REASONS: Final = ("timeout", "unavailable", "conflict")
AUTH_METHODS: Final = ("password", "sso", "token")
SQL_VERBS: Final = ("SELECT", "UPDATE", "INSERT")
HTTP_VERBS: Final = ("GET", "POST")

STACK_TRACE: Final = "Traceback (most recent call last):\n" + '  File "/app/src/handlers.py", line 10, in call\n' * 4


def family(name: str) -> str:
    """Return what decides about a span's attributes: the first word of its name."""
    return name.split(" ", 1)[0].split(".", 1)[0]
