"""The rewrites, one a module: ``REWRITE`` is its entry, found by name."""
