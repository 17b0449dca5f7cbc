"""A text model and its pooling as one module of torch: tokens in, vectors out."""

from __future__ import annotations

import torch

from skgnnrec.text._encode import count_prompt_tokens, pool
from skgnnrec.text._layout import Reading
from skgnnrec.text._model import TextModel

__all__ = ["VectorModule"]


class VectorModule(torch.nn.Module):
    """The vectors of texts from their token numbers and the mask of the tokens, (n_texts, n_tokens) each."""

    def __init__(self, model: TextModel, reading: Reading, dim: int) -> None:
        super().__init__()
        skips_prompt = reading.prompt and not model.layout.includes_prompt
        self.network, self.head, self.dropped_id = model.network, model.head, model.dropped_id
        self.pooling, self.normalize, self.dim = reading.pooling or model.pooling, reading.normalize, dim
        self.n_skipped = count_prompt_tokens(model, reading.prompt) if skips_prompt else 0

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return the vectors, (n_texts, dim) float32."""
        if self.dropped_id is not None:
            attention_mask = attention_mask * (input_ids != self.dropped_id)
        hidden = self.network(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        pooled = pool(hidden[:, self.n_skipped :].float(), attention_mask[:, self.n_skipped :] > 0, self.pooling)
        vectors = (pooled if self.head is None else self.head(pooled))[:, : self.dim]
        return torch.nn.functional.normalize(vectors) if self.normalize else vectors
