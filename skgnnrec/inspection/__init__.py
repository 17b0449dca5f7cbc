"""Explanations and plots of recommenders, the plots in the style of the displays of scikit-learn.

Each display has the methods `from_estimator`, `from_predictions` and `plot`, and the attributes `ax_` and `figure_`.
Several displays can share one `ax`. The displays need matplotlib, which the extra ``plot`` installs.
"""

from skgnnrec.inspection._accuracy_over_time import AccuracyOverTimeDisplay
from skgnnrec.inspection._attention import attention_weights
from skgnnrec.inspection._embedding_map import EmbeddingMapDisplay
from skgnnrec.inspection._explain import explain, reasons
from skgnnrec.inspection._explanation import ExplanationDisplay
from skgnnrec.inspection._fairness import fairness_report
from skgnnrec.inspection._long_tail import LongTailDisplay
from skgnnrec.inspection._metric_over_k import MetricOverKDisplay
from skgnnrec.inspection._recommendation_table import recommendation_table
from skgnnrec.inspection._score_function import score_function
from skgnnrec.inspection._segments import SegmentDisplay
from skgnnrec.inspection._spectral_response import SpectralResponseDisplay

__all__ = [
    "AccuracyOverTimeDisplay",
    "EmbeddingMapDisplay",
    "ExplanationDisplay",
    "LongTailDisplay",
    "MetricOverKDisplay",
    "SegmentDisplay",
    "SpectralResponseDisplay",
    "attention_weights",
    "explain",
    "fairness_report",
    "reasons",
    "recommendation_table",
    "score_function",
]
