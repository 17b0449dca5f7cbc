"""`make test` tests the installed wheel, not the source folder."""

import os
from pathlib import Path

import pytest

import skgnnrec


@pytest.mark.skipif("SKGNNREC_TEST_WHEEL" not in os.environ, reason="set by `make test`, which installs the wheel")
def test_package_is_the_installed_wheel():
    folder = Path(skgnnrec.__file__).parent
    assert folder.parent.name == "site-packages"
    assert (folder / "py.typed").is_file()
    assert not (folder.parent / "tests").exists()
