"""Images of all kinds of sources: arrays, files, bytes, Pillow, tables, missing and broken ones."""

import io
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as np_st
from PIL import Image
from scipy import sparse

from skgnnrec.image import ImageEmbedder

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (24, 32, 3), dtype=np.uint8)


def encoded(image, kind="png", **options):
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


@pytest.fixture
def embedder(tiny_model):
    return ImageEmbedder(tiny_model).fit([PIXELS])


def same(embedder, images):
    """Return whether all images have the vector of the first one."""
    vectors = embedder.transform(images)
    assert vectors[0].any()
    return (vectors == vectors[0]).all()


def test_all_sources_of_an_image_have_its_vector(embedder, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(PIXELS))
    sources = [PIXELS, path, str(path), encoded(PIXELS), bytearray(encoded(PIXELS)), Image.fromarray(PIXELS)]
    assert same(embedder, sources)
    assert not same(embedder, [PIXELS, PIXELS[::-1]])


def test_gray_and_transparent_images(embedder):
    gray = PIXELS[:, :, 0]
    as_rgb = np.repeat(gray[:, :, None], 3, axis=2)
    deep = Image.fromarray(gray.astype(np.uint16) * 256 + 7)
    assert same(embedder, [as_rgb, gray, gray[:, :, None], encoded(gray), deep, encoded(deep)])
    opaque = np.dstack([PIXELS, np.full((24, 32), 255, np.uint8)])
    assert same(embedder, [PIXELS, opaque, encoded(opaque)])
    # Whatever the colour of a transparent pixel, it is white.
    hidden = np.dstack([PIXELS, np.zeros((24, 32), np.uint8)])
    palette = Image.fromarray(np.zeros((24, 32), np.uint8)).convert("P")
    palette.info["transparency"] = 0
    assert same(embedder, [np.full_like(PIXELS, 255), hidden, encoded(hidden), encoded(palette, transparency=0)])


def test_files_are_turned_as_the_camera_says(embedder):
    orientation = Image.Exif()
    orientation[0x0112] = 6  # to be turned by 90 degrees, clockwise
    turned = encoded(np.ascontiguousarray(np.rot90(PIXELS)), exif=orientation)
    assert same(embedder, [PIXELS, turned])


def test_the_first_frame_of_an_animation_counts(embedder):
    frames = [Image.fromarray(np.full((16, 16), value, np.uint8)) for value in (40, 200)]
    assert same(
        embedder,
        [np.full((16, 16, 3), 40, np.uint8), encoded(frames[0], "gif", save_all=True, append_images=frames[1:])],
    )


MISSING = [None, np.nan, pd.NA, pd.NaT, "", "  "]


def test_missing_images_have_the_mean_vector(tiny_model):
    images = [PIXELS, PIXELS[::-1], PIXELS]
    embedder = ImageEmbedder(tiny_model)
    vectors = embedder.fit_transform([*images, *MISSING])
    mean = embedder.transform(images).mean(axis=0)
    np.testing.assert_allclose(vectors[3:], np.tile(mean, (6, 1)), atol=1e-6)
    np.testing.assert_array_equal(ImageEmbedder(tiny_model).fit([*images, None]).missing_vector_, vectors[3])
    np.testing.assert_array_equal(embedder.transform([None, PIXELS[:, ::-1]])[0], vectors[3])
    assert not ImageEmbedder(tiny_model).fit_transform(MISSING).any()


def test_missing_images_can_have_the_zero_vector(tiny_model):
    embedder = ImageEmbedder(tiny_model, missing="zero")
    for vectors in (embedder.fit_transform([PIXELS, *MISSING]), embedder.fit([PIXELS]).transform([PIXELS, *MISSING])):
        assert not vectors[1:].any()
        assert vectors[0].any()


def test_containers(embedder):
    images = [PIXELS, None, PIXELS[::-1]]
    expected = embedder.transform(images)
    objects = np.fromiter(images, dtype=object, count=3)
    table = pd.DataFrame({"picture": images})
    for same_images in (tuple(images), objects, objects[:, None], pd.Series(images), table, table["picture"]):
        np.testing.assert_array_equal(embedder.transform(same_images), expected)
    stack = np.stack([PIXELS, PIXELS[::-1]])
    np.testing.assert_array_equal(embedder.transform(stack), expected[[0, 2]])
    np.testing.assert_array_equal(embedder.transform(list(stack[:, :, :, 0])), embedder.transform(stack[:, :, :, 0]))
    assert embedder.transform([]).shape == (0, 16)


def test_columns_are_found_by_name(tiny_model, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(PIXELS))
    table = pl.DataFrame({"title": ["red mug", "blue mug"], "picture": [str(path), None]})
    vectors = ImageEmbedder(tiny_model, column="picture").fit_transform(table)
    np.testing.assert_array_equal(vectors, ImageEmbedder(tiny_model).fit_transform([PIXELS, None]))
    by_position = ImageEmbedder(tiny_model, column=1).fit_transform(np.array([["mug", str(path)]]))
    np.testing.assert_array_equal(by_position, vectors[:1])


@pytest.mark.parametrize(
    ("X", "column", "message"),
    [
        (PIXELS, None, r"X must be a sequence of images, got one image, of shape \(24, 32, 3\); wrap it in a list"),
        ("a.png", None, "got one image, 'a.png'; wrap it in a list"),
        (Image.fromarray(PIXELS), None, "got one image, .*Image.*; wrap it in a list"),
        (sparse.eye_array(3), None, "X must be a sequence of images or a DataFrame, got a dia_array"),
        ({"a": [PIXELS]}, None, "X must be a sequence of images or a DataFrame, got a dict"),
        (5, None, "X must be a sequence of images or a DataFrame, got int"),
        (np.empty((1, 1, 1), dtype=object), None, "X must have one or two dimensions, got an array of objects with 3"),
        (pl.LazyFrame({"a": ["b"]}), None, r"X must be an eager table, got LazyFrame; call collect\(\)"),
        ([PIXELS / 255], None, r"dtype uint8 .*, got float64 of shape \(24, 32, 3\) at row 0"),
        (np.zeros((2, 4, 5)), None, r"X must hold images of dtype uint8, got float64 of shape \(2, 4, 5\)"),
        ([PIXELS, PIXELS[:0]], None, r"got uint8 of shape \(0, 32, 3\) at row 1"),
        ([np.zeros((4, 4, 2), np.uint8)], None, r"1, 3 or 4 channels, got uint8 of shape \(4, 4, 2\) at row 0"),
        ([PIXELS, 7], None, "X must hold images .* or missing values .*, got int at row 1"),
        (pd.DataFrame({"a": [3]}), None, "got int at row 0, column 'a'"),
        (pd.DataFrame({"a": [1], "b": [2]}), None, r"column must name the column of images of X, which has 2 columns"),
        (pd.DataFrame({"a": [1]}), "b", r"column must name one column of X, got 'b'; X has the columns \['a'\]"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "a", "Expected unique column names, got"),
    ],
)
def test_wrong_input_is_named(tiny_model, X, column, message):
    embedder = ImageEmbedder(tiny_model, column=column)
    for method in (embedder.fit, embedder.fit_transform):
        with pytest.raises(ValueError, match=message):
            method(X)


def test_broken_files_are_named(embedder, tmp_path):
    for name, content in {"empty.png": b"", "text.png": b"no image", "cut.png": encoded(PIXELS)[:300]}.items():
        (tmp_path / name).write_bytes(content)
        table = pd.DataFrame({"picture": [PIXELS, str(tmp_path / name)]})
        with pytest.raises(ValueError, match=rf"the image at row 1, column 'picture', '.*{name}' cannot be read: \w+"):
            embedder.transform(table)
    with pytest.raises(ValueError, match=r"the image at row 0 cannot be read: .*32 bits"):
        embedder.transform([Image.fromarray(np.ones((4, 4), np.float32))])
    with pytest.raises(OSError, match=r"the file '.*absent.png' at row 0: No such file or directory"):
        embedder.transform([tmp_path / "absent.png"])
    with pytest.raises(OSError, match=r"at row 0: Is a directory"):
        embedder.fit([tmp_path])


def test_a_huge_image_is_refused(embedder, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ValueError, match=r"the image at row 0 cannot be read: .*decompression bomb"):
        embedder.transform([encoded(PIXELS)])


def test_a_file_that_changes_while_it_is_read_is_an_error(embedder, tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    contents = [encoded(PIXELS), encoded(PIXELS[::-1])]
    path.write_bytes(contents[0])
    monkeypatch.setattr(type(path), "read_bytes", lambda self: contents.pop(0))
    with pytest.raises(OSError, match=r"The file '.*a.png' was changed while it was read; embed again"):
        embedder.transform([path])


ARRAYS = np_st.arrays(
    st.sampled_from([np.uint8, np.uint8, np.float32, np.bool_, object]), np_st.array_shapes(max_dims=4, max_side=5)
)
VALUES = st.one_of(ARRAYS, st.binary(max_size=40), st.none(), st.floats(), st.text(max_size=5), st.integers())


@settings(max_examples=40, deadline=None)
@given(X=st.one_of(st.lists(VALUES, max_size=3), ARRAYS))
def test_generated_input_leads_to_vectors_or_a_plain_error(shared_embedder, X):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        vectors, message = None, "X must "
        try:
            vectors = shared_embedder.transform(X)
        except (ValueError, OSError) as error:
            message = str(error)
    assert message.startswith(("X must ", "column must name "))
    assert vectors is None or (vectors.shape == (len(X), 16) and np.isfinite(vectors).all())


@pytest.fixture(scope="module")
def shared_embedder(tiny_model):
    return ImageEmbedder(tiny_model).fit([PIXELS])
