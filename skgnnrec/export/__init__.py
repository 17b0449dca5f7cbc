"""Export of fitted recommenders: graphs of ONNX that run without this package, and indexes of nearest items.

The packages of the extra ``export`` are needed: ``pip install "skgnnrec[export]"``.
"""

from skgnnrec.export._index import ItemIndex, to_index
from skgnnrec.export._onnx import to_onnx

__all__ = ["ItemIndex", "to_index", "to_onnx"]
