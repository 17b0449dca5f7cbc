"""Select settings on the validation parts: `python benchmarks/run.py settings [task ...]`, which this script calls."""

import sys

from run import main

if __name__ == "__main__":
    sys.argv[1:1] = ["settings"]
    main()
