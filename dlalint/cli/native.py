"""Packages of native code, imported whole: an interruption in the midst of that leaves something that crashes at the next step."""

from __future__ import annotations

import signal
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])
_HELD = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


def needs(*packages: str) -> Callable[[F], F]:
    """That a command imports ``packages`` first."""

    def decorate(function: F) -> F:
        @wraps(function)
        def command(*arguments: Any, **options: Any) -> Any:
            load(*packages)
            return function(*arguments, **options)

        return command  # type: ignore[return-value]

    return decorate


def load(*packages: str) -> None:
    """Import ``packages``; an interruption that comes meanwhile is delivered when they are there."""
    if not hasattr(signal, "pthread_sigmask"):  # pragma: no cover - Windows
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
    try:
        for package in packages:
            import_module(package)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
