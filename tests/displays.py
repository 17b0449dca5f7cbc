"""The displays of recommenders, each drawn from an estimator and a pair of histories and held-out interactions."""

from skgnnrec.inspection import (
    AccuracyOverTimeDisplay,
    EmbeddingMapDisplay,
    LongTailDisplay,
    MetricOverKDisplay,
    SegmentDisplay,
)

DRAW = {
    "MetricOverKDisplay": lambda estimator, pair, **options: MetricOverKDisplay.from_estimator(
        estimator, *pair, **options
    ),
    "AccuracyOverTimeDisplay": lambda estimator, pair, **options: AccuracyOverTimeDisplay.from_estimator(
        estimator, *pair, **options
    ),
    "LongTailDisplay": lambda estimator, pair, **options: LongTailDisplay.from_estimator(estimator, pair[0], **options),
    "SegmentDisplay": lambda estimator, pair, **options: SegmentDisplay.from_estimator(estimator, *pair, **options),
    "EmbeddingMapDisplay": lambda estimator, pair, **options: EmbeddingMapDisplay.from_estimator(
        estimator["ridge"] if isinstance(estimator, dict) else estimator, pair[0], method="pca", **options
    ),
}
