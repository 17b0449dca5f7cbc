"""Training: losses, sampling, the loop and its checkpoints. Importing this imports torch."""

from skgnnrec.training._checkpoint import Checkpoint, open_checkpoint
from skgnnrec.training._estimators import train_estimator
from skgnnrec.training._loop import train
from skgnnrec.training._losses import (
    bpr_loss,
    contrast_loss,
    multiple_negatives_loss,
    sampled_softmax_loss,
    similarity_loss,
    softmax_loss,
    unit_rows,
)
from skgnnrec.training._progress import Learner, Progress
from skgnnrec.training._sampling import (
    batches_of,
    draw_past,
    draw_unseen_items,
    keys_of,
)
from skgnnrec.training._schedule import schedule_steps
from skgnnrec.training._workers import ALONE, Workers, process_group

__all__ = [
    "ALONE",
    "Checkpoint",
    "Learner",
    "Progress",
    "Workers",
    "batches_of",
    "bpr_loss",
    "contrast_loss",
    "draw_past",
    "draw_unseen_items",
    "keys_of",
    "multiple_negatives_loss",
    "open_checkpoint",
    "process_group",
    "sampled_softmax_loss",
    "schedule_steps",
    "similarity_loss",
    "softmax_loss",
    "train",
    "train_estimator",
    "unit_rows",
]
