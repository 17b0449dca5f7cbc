"""Fine-tuning of text models: with the texts of a catalog, and with interactions."""

from skgnnrec.text.finetuning._base import BaseFineTuner
from skgnnrec.text.finetuning._interactions import InteractionFineTuner
from skgnnrec.text.finetuning._masked_lm import MaskedLMFineTuner

__all__ = ["BaseFineTuner", "InteractionFineTuner", "MaskedLMFineTuner"]
