"""Corpora of the load test: seeded traces, written as a Collector or an SDK writes them, and what was recorded."""
