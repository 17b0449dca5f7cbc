"""Pictures of what recommenders do, in the style of scikit-learn's displays.

Each display has `from_estimator`, `from_predictions` and `plot`, and keeps the axes and the figure as `ax_` and
`figure_`. They need matplotlib, which the extra ``plot`` installs.
"""

from skgnnrec.inspection._accuracy_over_time import AccuracyOverTimeDisplay
from skgnnrec.inspection._embedding_map import EmbeddingMapDisplay
from skgnnrec.inspection._long_tail import LongTailDisplay
from skgnnrec.inspection._metric_over_k import MetricOverKDisplay
from skgnnrec.inspection._segments import SegmentDisplay

__all__ = [
    "AccuracyOverTimeDisplay",
    "EmbeddingMapDisplay",
    "LongTailDisplay",
    "MetricOverKDisplay",
    "SegmentDisplay",
]
