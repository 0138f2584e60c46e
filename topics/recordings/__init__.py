"""Recorded traces that ship with the product: what the demo plays and the tests judge. README.md says where they come from."""

from __future__ import annotations

from pathlib import Path

SHOP_PROTO_KEYED = "shop-proto-keyed.ndjson.gz"
SHOP_PROTO_BATCHED = "shop-proto-batched.ndjson.gz"
SHOP_JSON_KEYED = "shop-json-keyed.ndjson.gz"
SHOP_OTLP_LINES = "shop-otlp.jsonl.gz"
SHOP_SDK_RAW = "shop-sdk-raw.ndjson.gz"
SHOP_SCENARIOS = "shop-scenarios.ndjson"
HOTROD_PROTO_KEYED = "hotrod-proto-keyed.ndjson.gz"

# One run of the shop, five ways: the same spans, id for id.
SHOP_ALL = (SHOP_PROTO_KEYED, SHOP_PROTO_BATCHED, SHOP_JSON_KEYED, SHOP_OTLP_LINES, SHOP_SDK_RAW)


def recording(name: str) -> Path:
    """Return the path of a recording by its name."""
    return Path(__file__).parent / name
