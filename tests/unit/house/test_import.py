"""`import smalti` and `smalti --help` cost next to nothing: names load on first use."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import smalti

HEAVY = ("torch", "numpy", "PIL", "lightning_fabric")


def list_loaded(code: str) -> set[str]:
    """The heavy modules that a fresh Python has loaded after `code`."""
    ask = f"import sys; print('LOADED', *(m for m in {HEAVY} if m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"{code}\n{ask}"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rsplit("LOADED", 1)[1].split())


def test_import_loads_nothing_heavy():
    assert list_loaded("import smalti; smalti.__version__; dir(smalti)") == set()


def test_help_does_not_load_torch():
    code = """
import sys
from smalti.cli import main
for word in ("--help", "--version"):
    sys.argv = ["smalti", word]
    try:
        main()
    except SystemExit as end:
        assert not end.code, end.code
"""
    assert "torch" not in list_loaded(code)


@pytest.mark.parametrize("name", smalti.__all__)
def test_public_name_loads(name: str):
    assert getattr(smalti, name) is getattr(smalti, name)


def test_all_is_whole():
    """What somebody looks for first, and every room with something in it for users."""
    assert dir(smalti) == sorted(smalti.__all__) == sorted(set(smalti.__all__))
    rooms = {p.parent.name for p in Path(smalti.__file__).parent.glob("*/__init__.py")}
    inner = {"core", "cli", "kernels", "layers", "web"}
    assert rooms - inner <= set(smalti.__all__)
    assert {"Batch", "Cancelled", "Given", "Rng", "UserError", "load", "save"} <= set(dir(smalti))
    assert {"pixelcnn", "vq"} <= set(dir(smalti))  # though the rooms have other names


def test_import_star_brings_the_public_names():
    names: dict[str, object] = {}
    exec("from smalti import *", names)
    assert set(smalti.__all__) <= set(names)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'smalti' has no attribute 'smaple'"):
        smalti.smaple  # noqa: B018  # pyright: ignore[reportAttributeAccessIssue]


def test_matching_pictures_does_not_load_torch():
    assert "torch" not in list_loaded("import smalti.cli.match; import smalti.patchmatch.matching")


def test_filling_a_hole_by_patches_does_not_load_torch():
    code = "from smalti.cli import main; assert main(['inpaint', 'no.png', 'hole.png', '-n', '2'])"
    assert "torch" not in list_loaded(code)


def test_loading_a_model_does_not_load_the_compiler():
    """Which takes seconds, where a sentence takes a tenth of one."""
    code = """
import sys, smalti
for name in ("en-zh-help", "ddpm-digits", "vqvae-digits"):
    smalti.load(name)
    assert "torch._dynamo" not in sys.modules, name"""
    assert "torch" in list_loaded(code)  # so what is loaded is seen
