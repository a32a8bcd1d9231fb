"""What the lint says about a model before and after a rewrite."""

from __future__ import annotations

from .conftest import Trial


def errors(trial: Trial, *, before: bool) -> set[str]:
    """The codes of the errors."""
    outcome = trial.found.before if before else trial.found.after
    return {finding.code for finding in outcome.findings if finding.severity == "error"}
