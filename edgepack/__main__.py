"""``python -m edgepack``."""

import sys

from edgepack.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
