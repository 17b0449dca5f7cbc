"""Callbacks that record fits with TensorBoard, MLflow and Weights & Biases.

They follow the callback protocol of scikit-learn: ``estimator.set_callbacks(TensorBoardCallback())`` records each fit
of a recommender, of a fine-tuner, or of a search or pipeline that contains them. Each callback needs a package, which
the extra of the same name installs: ``tensorboard``, ``mlflow``, ``wandb``.
"""

from skgnnrec.tracking._mlflow import MLflowCallback
from skgnnrec.tracking._tensorboard import TensorBoardCallback
from skgnnrec.tracking._wandb import WandbCallback

__all__ = ["MLflowCallback", "TensorBoardCallback", "WandbCallback"]
