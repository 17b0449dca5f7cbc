"""Drive RecBole's LightGCN: `python recbole_lightgcn.py train.npz '{"parameter": value}'`.

`recbole.quick_start` is not used because it imports ray. This script calls the same functions.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

import pandas as pd
from pace import paced
from recbole.config import Config
from recbole.data import create_dataset
from recbole.data.dataloader import TrainDataLoader
from recbole.model.general_recommender import LightGCN
from recbole.sampler import Sampler
from recbole.trainer import Trainer
from recbole.utils import init_seed
from scipy import sparse

path, parameters = Path(sys.argv[1]).resolve(), json.loads(sys.argv[2])
users, items = sparse.load_npz(path).nonzero()
sys.argv = sys.argv[:1]  # RecBole also reads the command line
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)  # RecBole writes a log into the working folder
    data = Path(folder, "gowalla")
    data.mkdir()
    log = pd.DataFrame({"user_id:token": users, "item_id:token": items})
    log.to_csv(data / "gowalla.inter", sep="\t", index=False)
    fixed = {"data_path": folder, "checkpoint_dir": folder, "load_col": {"inter": ["user_id", "item_id"]}}
    config = Config("LightGCN", "gowalla", config_dict={**fixed, "use_gpu": False, **parameters})
    init_seed(config["seed"], config["reproducibility"])
    dataset = create_dataset(config)
    dataset._change_feat_format()  # as `build` does, without a split: all interactions are for training
    sampler = Sampler(["train"], [dataset], "uniform").set_phase("train")
    loader = TrainDataLoader(config, dataset, sampler, shuffle=True)
    trainer = Trainer(config, LightGCN(config, dataset).to(config["device"]))
    trainer._train_epoch(paced(lambda _: loader), 0)
