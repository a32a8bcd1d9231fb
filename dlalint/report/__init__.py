"""Reports: an outcome as text, JSON and more; one module a format, found by its name."""
