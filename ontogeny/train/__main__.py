"""What every rank runs: `deepspeed --module ontogeny.train RUN`."""

from __future__ import annotations

import sys

from ontogeny.train.rank import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
