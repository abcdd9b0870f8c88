"""The gallery's maker: it holds every family, sees what is out of date, and writes nothing else."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from resnetlab.network.catalog import families


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    path = Path(__file__).parents[2] / "docs" / "make_gallery.py"
    spec = importlib.util.spec_from_file_location("make_gallery", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_gallery"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_every_family_stands_in_the_gallery_with_a_full_drawing_of_its_own(maker: ModuleType) -> None:
    assert maker.FIGURES.keys() == families().keys()
    for family, figures in maker.FIGURES.items():
        drawn = [figure.models[0] for figure in figures if figure.style == "full"]
        assert drawn, family
        assert set(drawn) <= set(families()[family])


def test_it_writes_what_has_changed_and_removes_what_nobody_asks_for(
    maker: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = {"gallery.md": "page\n", "gallery/a.svg": "a", "gallery/b.svg": "b"}
    monkeypatch.setattr(maker, "DOCS", tmp_path)
    monkeypatch.setattr(maker, "contents", lambda: made)
    (tmp_path / "gallery").mkdir()
    for path, text in (made | {"gallery/b.svg": "old", "gallery/c.svg": "c"}).items():
        (tmp_path / path).write_text(text)
    unchanged = (tmp_path / "gallery/a.svg").stat().st_ino

    monkeypatch.setattr(sys, "argv", ["make_gallery.py", "--check"])
    with pytest.raises(SystemExit) as caught:
        maker.main()
    assert caught.value.code == (
        "not up to date: docs/gallery/b.svg, docs/gallery/c.svg\n"
        "Run `make gallery` and commit what it writes."
    )
    assert (tmp_path / "gallery/b.svg").read_text() == "old"

    monkeypatch.setattr(sys, "argv", ["make_gallery.py"])
    maker.main()
    assert capsys.readouterr().out == "docs/gallery/b.svg\ndocs/gallery/c.svg\n"
    assert {str(p.relative_to(tmp_path)): p.read_text() for p in tmp_path.rglob("*.*")} == made
    assert (tmp_path / "gallery/a.svg").stat().st_ino == unchanged
    monkeypatch.setattr(sys, "argv", ["make_gallery.py", "--check"])
    maker.main()
