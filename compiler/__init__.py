"""The meaning: rule text to verdicts. Pure; imports none of ours."""
