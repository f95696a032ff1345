"""What the README tells a reader to do can be done: no documented command or snippet rots."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser

from spinodal import cli
from spinodal.planning import plan
from spinodal.records import read_records

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> Iterator[tuple[int, str]]:
    """Fenced blocks of a language: the line their code begins on, and the code."""
    for block in re.finditer(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL):
        yield README[: block.start(1)].count("\n") + 1, block[1]


def commands(script: str) -> Iterator[list[str]]:
    """The simple commands of a shell script, in words, without comments and settings of variables."""
    for line in script.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars="|&;")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if not set(word) <= set("|&;"):
                words.append(word)
                continue
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                words.pop(0)
            if words:
                yield words
            words = []


def write_files(folder: Path) -> None:
    """Those that the README shows, by the path in the first line of each, or in its keys."""
    for _, code in blocks("python"):
        if named := re.match(r"# (\w+\.py)\n", code):
            (folder / named[1]).write_text(code, encoding="utf-8")
    for _, text in blocks("yaml"):
        named = re.search(r"^# (\S+\.yaml)$", text, flags=re.MULTILINE)
        contents = yaml.safe_load(text).items()
        files = {named[1]: text} if named else {path: yaml.safe_dump(content) for path, content in contents}
        for path, content in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(content, encoding="utf-8")


COMMANDS = [words for _, script in blocks("bash") for words in commands(script)]
RUNS = [words for words in COMMANDS if words[:2] == ["spinodal", "run"]]
OTHERS = [words for words in COMMANDS if words[0] == "spinodal" and words[1:2] != ["run"]]
SCRIPTS = [words[0] for words in COMMANDS if words[0].startswith("./")]
WANDB = [words for words in COMMANDS if words[0] == "wandb"]


def points(arguments: list[str]) -> Iterator[list[str]]:
    """Single runs that together use every value of a sweep; a run that is no sweep, as it is."""
    parser = OverridesParser.create()
    choices: list[list[str]] = []
    for argument in arguments:
        override = None if argument.startswith("-") else parser.parse_override(argument)
        if override is not None and override.is_sweep_override():
            key = override.get_key_element()
            choices.append([f"{key}={value}" for value in override.sweep_string_iterator()])
        elif argument not in {"-m", "--multirun"}:
            choices.append([argument])
    for point in zip_longest(*choices):
        yield [value or each[-1] for value, each in zip(point, choices, strict=True)]


def exit_code(arguments: list[str]) -> object:
    try:
        return cli.main(arguments)
    except SystemExit as end:
        return end.code


def test_commands_are_found_in_scripts() -> None:
    script = (
        "$ WANDB_MODE=online spinodal run seed=0,1 \\\n  l2=geom:1e-3:1:8  # a comment\n"
        "cd x && ls 'a b' | less\n"
    )
    assert [*commands(script)] == [
        ["spinodal", "run", "seed=0,1", "l2=geom:1e-3:1:8"],
        ["cd", "x"],
        ["ls", "a b"],
        ["less"],
    ]


def test_sweeps_are_tried_with_every_value() -> None:
    assert [*points(["-m", "depth=1,2,3", "model=a,b", "seed=[0,1]"])] == [
        ["depth=1", "model=a", "seed=[0,1]"],
        ["depth=2", "model=b", "seed=[0,1]"],
        ["depth=3", "model=b", "seed=[0,1]"],
    ]


def test_readme_says_how_to_start() -> None:
    assert RUNS
    assert SCRIPTS


@pytest.fixture
def beside_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the README shows, to be in."""
    write_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SPINODAL_OUTPUTS", raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path])  # commands add the folder they are in
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    return tmp_path


@pytest.mark.parametrize("words", RUNS, ids=" ".join)
@pytest.mark.usefixtures("beside_the_files")
def test_documented_runs_compose(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    if {"--help", "--hydra-help", "--cfg", "--info"} & set(words):
        assert exit_code(words[1:]) == 0, capsys.readouterr().err
        return
    words, elsewhere = words[2:], []
    if "--config-dir" in words:
        at = words.index("--config-dir")
        elsewhere = words[at : at + 2]
        words = words[:at] + words[at + 2 :]
    for arguments in points(words):
        plan(
            [argument for argument in arguments if not argument.startswith("-")],
            config_dir=elsewhere[1] if elsewhere else None,
        )
        assert exit_code(["run", *elsewhere, *arguments, "--cfg", "job"]) == 0, capsys.readouterr().err


def test_what_somebody_adds_is_run(beside_the_files: Path) -> None:
    """A task, a network, a protocol and an observable of one's own, by the documented command."""
    (words,) = [words for words in RUNS if "data=rings" in words]
    assert exit_code([*words[1:], "logger=none"]) == 0
    (campaign,) = (beside_the_files / "outputs").iterdir()
    records = read_records(campaign)
    assert records["task"].unique().to_list() == ["rings"]
    assert records["stationary"].all()
    turned = records.sort("stage")["l2"].to_list()
    assert turned.count(max(turned)) == 2
    assert records["largest_weight"].is_not_null().all()


@pytest.mark.parametrize("words", OTHERS, ids=" ".join)
def test_other_documented_commands_exist(words: list[str]) -> None:
    options = words[1:] if words[1].startswith("-") else [words[1], "--help"]
    assert exit_code(options) == 0


@pytest.mark.parametrize("words", WANDB, ids=" ".join)
def test_documented_commands_of_wandb_exist(words: list[str]) -> None:
    command = [sys.executable, "-m", "wandb", words[1], "--help"]
    assert "Usage: " in subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_no_documented_command_is_left_out() -> None:
    others = [words for words in COMMANDS if words[0] not in {"spinodal", "wandb", *SCRIPTS}]
    assert others == [["source", ".venv/bin/activate"]]


@pytest.mark.parametrize("script", SCRIPTS)
def test_documented_scripts_can_be_started(script: str) -> None:
    assert os.access(ROOT / script, os.X_OK)


def test_documented_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Block after block in one session, as a reader would; tracebacks name the README's own lines."""
    monkeypatch.chdir(tmp_path)
    session: dict[str, object] = {"__name__": "readme"}
    for line, code in blocks("python"):
        exec(compile("\n" * (line - 1) + code, ROOT / "README.md", "exec"), session)
