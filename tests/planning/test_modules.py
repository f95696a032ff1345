"""Files of a user's own that determine results: which they are, and what of them counts."""

from pathlib import Path

import pytest

from spinodal.errors import UserError
from spinodal.planning import config_loader, expand
from spinodal.planning.arguments import fitted
from spinodal.planning.curves import curves
from spinodal.planning.identity import SCHEMA, former_ids, scientific
from spinodal.planning.modules import code, contents, imported, named, source_of

FILES = {
    "m_top.py": "import math, torch\nfrom m_pack.deep import net as other\n",
    "m_beside.py": "x = 1\n",
    "m_pack/__init__.py": "",
    "m_pack/unused.py": "",
    "m_pack/wide.py": "def f():\n    import m_beside\n",
    "m_pack/deep/__init__.py": "from . import net\nfrom ..wide import f\n",
    "m_pack/deep/net.py": "from .leaf import *\nclass Net: pass\n",
    "m_pack/deep/leaf.py": "import spinodal.networks\n",
    ".venv/lib/site-packages/m_installed.py": "",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path / ".venv/lib/site-packages"))
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_what_is_imported_counts_and_nothing_else() -> None:
    package = {f"m_pack/{name}.py" for name in ("__init__", "wide", "deep/__init__", "deep/net", "deep/leaf")}
    assert contents(["m_pack.deep.net.Net"]).keys() == {*package, "m_beside.py"}
    assert contents(["m_top.Anything"]).keys() == {*package, "m_beside.py", "m_top.py"}
    assert contents(["m_pack.wide.f"]).keys() == {"m_pack/__init__.py", "m_pack/wide.py", "m_beside.py"}
    for elsewhere in (
        "torch.nn.Linear",
        "fractions.Fraction",
        "m_installed.f",
        "nowhere.Net",
        "spinodal.tasks.digits",
    ):
        assert contents([elsewhere]) == {}
    assert source_of("m_installed") is None
    assert source_of("m_pack") is not None


def test_an_edit_changes_the_digest_of_its_file_alone(folder: Path) -> None:
    before = contents(["m_top.x"])
    (folder / "m_pack/deep/leaf.py").write_text("import spinodal.networks\ny = 2\n")
    after = contents(["m_top.x"])
    assert {file for file in before if before[file] != after[file]} == {"m_pack/deep/leaf.py"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1\n", "\n# what it is\nx = 1  # here\n\n\n"),
        ("x = 1\r\ny = 2\r\n", "x = 1   \ny = 2"),
        ("def f(\n    a,  # first\n\n    b,\n): pass\n", "def f(\n    a,\n    b,\n): pass\n"),
        ("# coding: latin-1\nx = 'é'\n".encode("latin-1").decode("latin-1"), "x = 'é'\n"),
    ],
)
def test_comments_and_blank_lines_do_not_count(one: str, other: str) -> None:
    encoding = "latin-1" if "latin" in one else "utf-8"
    assert code(one.encode(encoding)).strip() == code(other.encode()).strip()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1\n", "x = 2\n"),
        ("x = '# 1'\n", "x = '# 2'\n"),
        ("x = '''a\n\nb'''\n", "x = '''a\nb'''\n"),
        ("x = '''a  \nb'''\n", "x = '''a\nb'''\n"),
        ("x = f'''{1}\n# 1\n'''\n", "x = f'''{1}\n# 2\n'''\n"),
        ("if a:\n    b\nc\n", "if a:\n    b\n    c\n"),
        ("not python (\n", "not python at all (\n"),
    ],
)
def test_code_counts(one: str, other: str) -> None:
    assert code(one.encode()) != code(other.encode())


def test_what_cannot_be_parsed_imports_nothing(tmp_path: Path) -> None:
    for text in (b"def f(:\n", b"\xff\xfe", b"\0"):
        (tmp_path / "m.py").write_bytes(text)
        assert [*imported(tmp_path / "m.py")] == []
    (tmp_path / "m.py").write_text("from ... import far\nfrom . import near\n")
    assert [*imported(tmp_path / "m.py", "a.b")] == ["a.b.near"]
    assert [*imported(tmp_path / "m.py")] == []


def test_targets_within_targets_are_named() -> None:
    plan = {
        "data": {"_target_": "spinodal.tasks.digits"},
        "model": {"_target_": "a.Net", "inner": [{"_target_": "b.Act"}]},
        "optimizer": None,
        "callbacks": {"c": {"_target_": "c.Look"}},
        "protocol": {"name": "d.walk"},
    }
    assert named(plan) == {
        "model._target_": "a.Net",
        "model.inner[0]._target_": "b.Act",
        "protocol.name": "d.walk",
    }


def test_content_is_part_of_the_identity_of_own_modules_alone(folder: Path) -> None:
    """And without it, points are what they were called before there was any."""
    own = ["model._target_=m_nets.net", "seed=[0,1]", "l2=[0.1]"]
    (folder / "m_nets.py").write_text("def net(**more): pass\n")

    def points(*lines: str) -> list[str]:
        return [
            point for curve in curves(fitted(expand(lines, config_loader())).cells) for point in curve.points
        ]

    assert points("seed=0", "l2=[0.1]") == [
        point for curve in curves(expand(["seed=0", "l2=[0.1]"], config_loader())) for point in curve.points
    ]
    before = points(*own)
    (curve,) = curves(fitted(expand(own, config_loader())).cells)
    assert curve.config["modules"].keys() == {"m_nets.py"}
    (legacy,) = curves(expand(own, config_loader()))
    assert [*former_ids(curve.config, curve.points).values()] == [*legacy.points]
    assert not set(before) & set(legacy.points)
    assert "modules" not in scientific(legacy.config)
    assert SCHEMA == 1
    (folder / "m_nets.py").write_text("# a comment\ndef net(**more): pass\n")
    assert points(*own) == before
    (folder / "m_nets.py").write_text("def net(**more): return 1\n")
    with pytest.raises(UserError, match=r"m_nets\.py: edited after this process had imported it"):
        points(*own)
