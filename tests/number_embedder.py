"""A text embedder that the checks of scikit-learn can feed, which pass numbers only."""

from sklearn.utils.validation import validate_data

from skgnnrec import TextEmbedder


class NumberEmbedder(TextEmbedder):
    """Write the numbers of a row as text, for the checks of scikit-learn, which pass numbers only."""

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
