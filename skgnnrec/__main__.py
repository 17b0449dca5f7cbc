"""The command `skgnnrec`, as ``python -m skgnnrec``."""

import sys

from skgnnrec.serving._cli import main

sys.exit(main())
