"""The parts of the benchmarks: each declares its sections in `SECTIONS`, and run.py measures and stores them."""
