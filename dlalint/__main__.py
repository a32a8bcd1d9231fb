"""The program: ``dlalint`` and ``python -m dlalint``."""

from __future__ import annotations

import contextlib
import gc
import signal
import sys
from types import FrameType


def main() -> None:
    """Run the command line. Shape inference loads in its own process while this one imports the rest."""
    gc.disable()  # a run makes hardly a cycle and much that stays: searching it again and again costs a tenth of the time
    worker = None
    try:
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:  # nohup ignores one of them
                signal.signal(number, _end)
        if sys.argv[1:2] == ["check"]:
            from dlalint.worker import NativeError, Worker

            with contextlib.suppress(NativeError):  # the command meets it again, where it is told
                worker = Worker().start()
        from dlalint.cli import execute

        code = execute(sys.argv[1:], worker)
    except KeyboardInterrupt:  # before the command runs; then it is its own
        sys.stderr.write("interrupted\n")
        code = 130
    finally:
        if worker is not None:
            worker.close()
        gc.freeze()  # nothing is left to find at exit
    sys.exit(code)


def _end(number: int, frame: FrameType | None) -> None:
    """Leave as an exception does, so that children end and temporary files go; a second signal must not interrupt that."""
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
