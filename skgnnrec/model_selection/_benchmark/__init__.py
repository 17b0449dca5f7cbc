"""The benchmark of recommenders: data sets, protocols, the run, and results that can be measured again."""

from skgnnrec.model_selection._benchmark._data import BenchmarkData
from skgnnrec.model_selection._benchmark._result import BenchmarkResult
from skgnnrec.model_selection._benchmark._run import benchmark, rerun_benchmark

__all__ = ["BenchmarkData", "BenchmarkResult", "benchmark", "rerun_benchmark"]
