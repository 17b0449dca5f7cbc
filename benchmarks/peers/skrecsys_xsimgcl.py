"""Drive skrecsys' XSimGCL: `python skrecsys_xsimgcl.py train.npz '{"parameter": value}'`."""

import json
import sys

import numpy as np
from pace import paced
from scipy import sparse
from skrecsys.nn import XSimGCL, _xsimgcl

module = _xsimgcl._XSimGCLModule
batches = module.iter_batches
module.iter_batches = lambda learner, size, generator: paced(lambda _: batches(learner, size, generator))
pairs = np.column_stack(sparse.load_npz(sys.argv[1]).nonzero())
XSimGCL(**json.loads(sys.argv[2]), max_iter=1, random_state=0).fit(pairs)
