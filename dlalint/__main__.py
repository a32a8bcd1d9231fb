"""``python -m dlalint``."""

from dlalint.cli import main

main()
