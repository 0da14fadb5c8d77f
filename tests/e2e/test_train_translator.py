"""`smalti train translate`: a stranger's corpus, from files to translations."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import smalti
from smalti.cli import main
from smalti.data.corpora.pair import SentencePair
from smalti.evaluation import read_report
from smalti.recipes import find_recipe
from smalti.recipes.origin import read_corpus_origin, read_origin
from smalti.tasks import resume
from smalti.training.events import Note
from tests.command import run_command
from tests.expect import expect_user_error

NOUNS = {"file": "文件", "window": "窗口", "page": "页面", "menu": "菜单", "table": "表格"}
VERBS = {"Open": "打开", "Close": "关闭", "Save": "保存", "Print": "打印", "Select": "选择"}
NAMES = ("Anna", "Bob", "Carl", "Dora", "Eve", "Fred", "Gina", "Hugo")
PAIRS = [
    SentencePair(f"{v} the {n} of {name}.", f"{zv}{name}的{zn}。")
    for n, zn in NOUNS.items()
    for v, zv in VERBS.items()
    for name in NAMES
]
TINY = ("--steps 4 --save-every 2 --batch-size 256 --precision 32 --model.network.width 16 "
        "--model.network.heads 2 --model.network.encoder-layers 1 "
        "--model.network.feed-forward-width 16 --model.sampler.max-length 9")  # fmt: skip


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an aligned corpus, in two files and in one."""
    (tmp_path / "a.en").write_text("".join(f"{pair.source}\n" for pair in PAIRS))
    (tmp_path / "a.zh").write_text("".join(f"{pair.target}\n" for pair in PAIRS))
    (tmp_path / "a.tsv").write_text("".join(f"{s}\t{t}\n" for s, t, *_ in PAIRS))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(corpus: Path) -> Path:
    assert run_command(f"train translate --corpus a.tsv {TINY}") == 0
    return corpus / "runs/translate"


def test_a_run_is_evaluated_on_the_documents_that_it_held_out(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command("evaluate runs/translate --bootstraps 5") == 0
    report = read_report("reports/translate")
    splits = read_corpus_origin(run).read_splits()
    assert (report.protocol.split, report.protocol.held) == ("test", len(splits.test))
    assert f"memory: of {len(splits.train)} training pairs" in report.notes
    assert run_command("evaluate runs/translate --split valid --metrics tokens --out v") == 0
    assert read_report("v").protocol.held == len(splits.valid)
    (run.parent.parent / "a.tsv").write_text("".join(f"{s}\t{t}\n" for s, t, *_ in PAIRS[4:]))
    capsys.readouterr()
    assert run_command("evaluate runs/translate") == 2
    error = capsys.readouterr().err
    assert "sentence pairs changed since the run began" in error and error.count("\n") == 1


def test_a_corpus_becomes_a_translator(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(f"train translate --corpus a.en a.zh {TINY}") == 0
    printed = capsys.readouterr()
    assert "from en to zh (by the names of the files)" in printed.err
    assert "200 pairs read" in printed.err and "split by document" in printed.err
    assert "vocabularies of " in printed.err and "dropout 0.3" in printed.err
    assert " -> '" in printed.err
    assert "smalti translate --model runs/translate TEXT" in printed.out
    rows = (corpus / "runs/translate/translations/step-4.tsv").read_text().splitlines()
    assert rows[0] == "source\treference\toutput"
    assert all(len(row.split("\t")) == 3 for row in rows) and len(rows) > 3

    assert run_command("report runs/translate") == 0
    assert "tokens/s" in (text := capsys.readouterr().out) and rows[1].split("\t")[0] in text
    report = json.loads((corpus / "runs/translate/report.json").read_text())
    assert report["translations"][0]["source"] == rows[1].split("\t")[0]
    assert report["tokens_per_second"] > 0

    assert run_command("train translate --resume") == 0
    assert "already finished at step 4" in capsys.readouterr().out
    assert main(["translate", "--model", "runs/translate", "Open the file."]) == 0
    model = smalti.load("runs/translate")
    assert model.source_tokenizer.decode(model.source_tokenizer.encode(["Open the file."])) == [
        "Open the file."
    ]
    origin = read_corpus_origin(corpus / "runs/translate")
    splits = origin.read_splits()
    assert origin.languages == ("en", "zh")
    assert not {p.document for p in splits.train} & {p.document for p in splits.valid}
    with expect_user_error("is the run of a translator"):
        read_origin(corpus / "runs/translate")


def test_the_order_of_the_files_is_the_direction(corpus: Path) -> None:
    assert run_command(f"train translate --corpus a.zh a.en --out back {TINY}") == 0
    model = smalti.load("back")
    assert (model.config.source_language, model.config.target_language) == ("zh", "en")
    assert model.target_tokenizer.decode(model.target_tokenizer.encode(["Open it"])) == ["Open it"]


def test_a_run_can_start_from_another(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(f"train translate --data a.tsv --out one {TINY}") == 0
    assert "from en to zh (by default" in capsys.readouterr().err
    assert run_command("train translate --data a.tsv --init-from one --steps 1 --out two") == 0
    one, two = smalti.load("one"), smalti.load("two")
    assert one.source_tokenizer.model == two.source_tokenizer.model
    assert two.config.network.width == 16


def test_a_joint_vocabulary_and_epochs(corpus: Path) -> None:
    options = TINY.removeprefix("--steps 4 ")
    command = f"train translate --corpus a.en a.zh --vocabulary.joint --epochs 1 {options}"
    assert run_command(command) == 0
    model = smalti.load("runs/translate")
    assert model.config.network.tied_source
    plan = json.loads((corpus / "runs/translate/run.json").read_text())
    assert 3 < plan["training"]["steps"] < 60


def test_pairs_are_given_from_python(corpus: Path) -> None:
    events: list[object] = []
    small = {"network.width": 16, "network.heads": 2, "network.feed_forward_width": 16}
    recipe = find_recipe("article-translator").change(
        training={"precision": "32", "batch_size": 256},
        model={**small, "network.encoder_layers": 1},
    )
    ended = smalti.train(recipe, corpus=PAIRS, out="run", steps=2, on_event=events.append)
    assert ended.step == 2 and any(isinstance(event, Note) for event in events)
    model = smalti.load("run")
    assert model.config.label_smoothing == 0 and model.config.network.norm == "post"
    assert model.source_tokenizer.decode(model.source_tokenizer.encode(["Open It."])) == [
        "open \ufffd ."
    ]
    with expect_user_error("given from Python"):
        resume("run")
    assert resume("run", data=PAIRS).steps_taken == 0


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("", "corpus is missing"),
        ("--corpus a.en", "a.en holds one language"),
        ("--corpus a.en b.zh", "b.zh"),
        ("--corpus a.en c.zh", "a.en has 200 lines and c.zh 1"),
        ("--corpus a.tsv --vocabulary.source-size 9", "no room for the characters"),
        ("--corpus a.tsv --vocabulary.max-symbols 2", "more than 2 symbols"),
        ("--corpus a.tsv --init-from ddpm-digits", "is not a translator"),
        ("--corpus a.tsv --flip", "flip"),
        ("--corpus a.tsv --size 32", "--size"),
        ("--corpus a.tsv --languages fr de", "none of 200 pairs"),
    ],
)
def test_bad_input_is_one_line(
    corpus: Path, capsys: pytest.CaptureFixture[str], words: str, error: str
) -> None:
    (corpus / "c.zh").write_text("打开\n")
    if "fr de" in words:
        (corpus / "a.tsv").write_text("one\tone\n" * 200)
    assert run_command(f"train translate {TINY} {words}") == 2
    printed = capsys.readouterr().err.strip().splitlines()
    assert error in printed[-1]
    assert not (corpus / "runs").exists()


def test_other_recipes_take_no_corpus(corpus: Path) -> None:
    with expect_user_error("corpus", "ddpm takes none"):
        smalti.train("ddpm", corpus=["a.tsv"], steps=1)
    with expect_user_error("size 8", "translate takes none"):
        smalti.train("translate", corpus=["a.tsv"], size=8, steps=1)
