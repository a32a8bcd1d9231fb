"""The rule engine: cards and limits from rules/, quantities in Python, verdicts per layer."""
