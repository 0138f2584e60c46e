"""The flow: records to verdicts to records."""
