"""`python -m barhouse.cli` is `barhouse`."""

from __future__ import annotations

from barhouse.cli import main

if __name__ == "__main__":
    main()
