"""Drive RecBole's LightGCN.

`recbole.quick_start` is not used because it imports ray. This script calls the same functions.
"""

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from answers import Data, Driver, answer, best, in_blocks
from recbole.config import Config  # *
from recbole.data import create_dataset  # *
from recbole.data.dataloader import TrainDataLoader  # *
from recbole.model.general_recommender import LightGCN  # *
from recbole.sampler import Sampler  # *
from recbole.trainer import Trainer  # *
from recbole.utils import init_seed

EPOCHS = 300  # the default of RecBole


class RecBole(Driver):
    """LightGCN, trained on all interactions for as many epochs as the time limit allows."""

    package = "recbole"

    def fit(self, data: Data, seconds: float, **parameters: Any) -> None:
        folder = Path.cwd() / "log"
        folder.mkdir(exist_ok=True)
        users, items = data.X.nonzero()
        log = pd.DataFrame({"user_id:token": users, "item_id:token": items})  # *
        log.to_csv(folder / "log.inter", sep="\t", index=False)  # *
        fixed = {"data_path": str(folder.parent), "checkpoint_dir": str(folder), "use_gpu": False}
        fixed["load_col"] = {"inter": ["user_id", "item_id"]}  # *
        config = Config("LightGCN", "log", config_dict={**fixed, **parameters})  # *
        init_seed(config["seed"], config["reproducibility"])
        self.dataset = create_dataset(config)  # *
        self.dataset._change_feat_format()  # as `build` does, without a split: all interactions are for training
        sampler = Sampler(["train"], [self.dataset], "uniform").set_phase("train")  # *
        loader = TrainDataLoader(config, self.dataset, sampler, shuffle=True)  # *
        self.model = LightGCN(config, self.dataset).to(config["device"])  # *
        trainer = Trainer(config, self.model)  # *
        end = time.perf_counter() + seconds
        for epoch in range(EPOCHS):
            trainer.start_epoch, trainer.epochs = epoch, epoch + 1
            trainer.fit(loader, saved=False, verbose=False)  # *
            if time.perf_counter() > end:
                break
        self.about = {"epochs": epoch + 1}
        self.X = data.X
        self.model.eval()

    def lists(self, users: np.ndarray, n: int) -> np.ndarray:
        user_ids = self.dataset.token2id("user_id", users.astype(str))  # *
        columns = self.dataset.field2id_token["item_id"]  # *
        columns = np.append(-1, columns[1:].astype(np.int64))  # its item 0 is padding
        with torch.no_grad():
            user_vectors, item_vectors = self.model.forward()  # *

            def rank(rows: slice) -> np.ndarray:
                scores = np.full((len(users[rows]), self.X.shape[1]), -np.inf, dtype=np.float32)
                product = user_vectors[user_ids[rows]] @ item_vectors.T  # *
                scores[:, columns[1:]] = product[:, 1:].numpy()
                return best(scores, self.X[users[rows]], n)

            return in_blocks(len(users), rank)

    def save(self, path: Path) -> None:
        torch.save(self.model.state_dict(), path)


sys.argv = sys.argv[:1]  # RecBole also reads the command line
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)  # RecBole writes into the working folder
    answer(RecBole())
