"""Drive GNNRecommender: `python ours.py train.npz '{"parameter": value}'`."""

import json
import sys

import numpy as np
from pace import paced
from scipy import sparse

from skgnnrec import GNNRecommender
from skgnnrec.recommenders.gnn._learner import RankingLearner

X = sparse.csr_array(sparse.load_npz(sys.argv[1])).astype(np.float32)
batches = RankingLearner.batches
RankingLearner.batches = lambda learner, _: paced(lambda epoch: batches(learner, epoch))
GNNRecommender(**json.loads(sys.argv[2]), max_iter=1, device="cpu").fit(X)
