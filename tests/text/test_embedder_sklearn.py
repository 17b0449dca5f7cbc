"""scikit-learn's batteries, on a subclass that reads numbers as texts."""

import os
import warnings

import pytest
from sklearn.exceptions import SkipTestWarning
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.validation import validate_data

from skgnnrec.text import TextEmbedder

# Public checks that check_estimator never calls.
OTHER_CHECKS = [
    "check_dataframe_column_names_consistency",
    "check_get_feature_names_out_error",
    "check_global_output_transform_pandas",
    "check_global_set_output_transform_polars",
    "check_inplace_ensure_writeable",
    "check_param_validation",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_set_output_transform_polars",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
]


class NumberEmbedder(TextEmbedder):
    """Spell the numbers of a row, so that scikit-learn's checks, which know numbers only, can run."""

    def _texts(self, X, *, reset):
        X = validate_data(self, X, reset=reset)
        return [" ".join(f"{value:.4g}" for value in row) for row in X]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = False
        tags.input_tags.one_d_array = False
        tags.input_tags.two_d_array = True
        tags.input_tags.allow_nan = False
        return tags


@pytest.fixture
def number_embedder(tiny_model):
    return NumberEmbedder(tiny_model, dtype="float32")


def test_check_estimator(number_embedder):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SkipTestWarning)
        results = check_estimator(number_embedder, on_fail=None)
    failed = {result["check_name"]: result["exception"] for result in results if result["status"] == "failed"}
    assert failed == {}
    skipped = {result["check_name"] for result in results if result["status"] == "skipped"}
    # SciPy reads its switch at import; the tests' conftest sets it.
    assert skipped <= (set() if os.environ.get("SCIPY_ARRAY_API") == "1" else {"check_array_api_input"})
    assert len(results) >= 46


def test_check_estimator_on_texts(tiny_model):
    with pytest.warns(SkipTestWarning, match="Can't test estimator TextEmbedder which requires input"):
        results = check_estimator(TextEmbedder(tiny_model))
    assert {result["status"] for result in results} == {"passed"}


# scikit-learn's own checks mix frames and arrays.
@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names:UserWarning")
@pytest.mark.parametrize("name", OTHER_CHECKS)
def test_other_checks(number_embedder, name):
    assert getattr(estimator_checks, name)("NumberEmbedder", number_embedder) is None
