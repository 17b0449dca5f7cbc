"""Measure what does not help: `python benchmarks/run.py tried [task ...]`, which this script calls."""

import sys

from run import main

if __name__ == "__main__":
    sys.argv[1:1] = ["tried"]
    main()
