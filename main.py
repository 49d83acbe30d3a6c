"""`python main.py` is `barhouse up`: the settings of the environment, the database, the API."""

from __future__ import annotations

import sys

from barhouse.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["up"]
    main()
