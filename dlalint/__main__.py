"""The program: ``dlalint`` and ``python -m dlalint``."""

from __future__ import annotations

import contextlib
import gc
import sys


def main() -> None:
    """Run the command line. Shape inference loads in its own process while this one imports the rest."""
    gc.set_threshold(200_000)  # a run makes few cycles and much that stays: searching it again and again costs a tenth of the time
    worker = None
    if sys.argv[1:2] == ["check"]:
        from dlalint.worker import NativeError, Worker

        with contextlib.suppress(NativeError):  # the command meets it again, where it is told
            worker = Worker().start()
    from dlalint.cli import execute

    try:
        code = execute(sys.argv[1:], worker)
    finally:
        if worker is not None:
            worker.close()
        gc.freeze()  # nothing is left to find at exit
    sys.exit(code)


if __name__ == "__main__":
    main()
