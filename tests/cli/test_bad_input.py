"""Bad input: exit code 2, one clear block a fault, nothing written, nothing changed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

VERBS = ("plan", "prepare", "run")


def test_the_project_is_good(project, ontogeny):
    assert ontogeny("genome", "check", "genome.yaml").code == 0
    assert "trained tokens" in ontogeny("plan", "genome.yaml").out
    told = ontogeny("prepare", "genome.yaml", "-q")
    assert (told.code, told.out, told.err) == (0, "", "")
    plan = json.loads((project.root / "runs/tiny/plan.json").read_text("utf-8"))
    assert plan["estimate"] is False and [stage["name"] for stage in plan["stages"]] == ["first", "second"]
    assert not list((project.root / "runs/tiny").glob(".corpus*"))


GENOME_FAULTS = [
    ("a missing book", ("[pond]", "[pont]"), "names a book the library does not have", "genome.yaml:17:32"),
    ("an unknown key", ("seed: 3", "sede: 3"), "unknown key 'sede'", "genome.yaml:2:1"),
    ("a wrong unit", ("{tokens: 1500}", "{pages: 1500}"), "unknown key 'pages'", "genome.yaml:15:12"),
    ("a negative span", ("{tokens: 1500}", "{tokens: -1500}"), "'tokens' does not fit", "genome.yaml:15:20"),
    ("a syntax error", ("seed: 3", "seed: [3"), "cannot be parsed", "genome.yaml:3:6"),
    ("a double key", ("seed: 3", "seed: 3\nseed: 4"), "cannot be parsed", "genome.yaml:3:1"),
    (
        "a constructing tag",
        ("name: tiny", "name: !!python/name:os.system tiny"),
        "construct an object",
        "genome.yaml:1:7",
    ),
    ("a reference", ("name: tiny", "name: '${oc.env:HOME}'"), "nothing outside itself", "genome.yaml:1:7"),
    ("a stage outside", ("use: stages/first", "use: ../first"), "leaves the library's folder", "genome.yaml:12:10"),
    (
        "an unknown role",
        ("name: second", "name: second\n    roles: {teacher: {rank: 3}}"),
        "a role nobody defined",
        "genome.yaml:15:22",
    ),
    (
        "an unknown probe",
        ("name: second", "name: second\n    probes: {battery: [bits_per_bite]}"),
        "does not exist",
        "genome.yaml:15:24",
    ),
    ("two stages of one name", ("name: second", "name: first"), "two stages have the name", "genome.yaml:14:11"),
    ("a batch of half packs", ("batch_tokens: 128", "batch_tokens: 100"), "whole number of packs", "genome.yaml:8:60"),
    ("underscores", ("{tokens: 1500}", "{tokens: 1_500}"), "underscores", "genome.yaml:15:20"),
]


@pytest.mark.parametrize(
    ("pair", "what", "where"), [one[1:] for one in GENOME_FAULTS], ids=[one[0] for one in GENOME_FAULTS]
)
def test_a_genome_at_fault(project, refused, pair, what, where):
    project.change(pair)
    for command in (["genome", "check"], ["genome", "show"], *([verb] for verb in VERBS)):
        blocks = refused(*command, "genome.yaml")
        told = [block for block in blocks if what in block.splitlines()[0]]
        assert len(told) == 1 and f"where     {where}" in told[0], blocks
        assert len(blocks) <= 2 and all(what in block or "is missing" in block for block in blocks), blocks


def test_all_faults_in_one_go(project, refused):
    project.change(("seed: 3", "seed: -3"), ("[pond]", "[pont]"), ("{tokens: 1500}", "{tokens: 0}"))
    assert len(refused("run", "genome.yaml", "machine.rnks=2", "stages.0.reading=backwards")) == 5


MODEL_FAULTS = [
    (
        "a context longer than the model's",
        ("num_attention_heads: 2}", "num_attention_heads: 2, max_position_embeddings: 32}"),
        "the context is longer than the model's.",
        "genome.yaml:6:19  model.context_tokens",
    ),
    (
        "an unknown architecture",
        ("type: llama", "type: lama"),
        "unknown architecture.",
        "genome.yaml:5:24  model.architecture.type",
    ),
    (
        "an unknown field",
        ("hidden_size: 16", "hiden_size: 16"),
        "unknown field 'hiden_size' of a llama.",
        "genome.yaml:5:43  model.architecture.hiden_size",
    ),
    (
        "a layer too many",
        ("rank: 2,", "rank: 2, layers: [0, 1],"),
        "a layer that the model does not have.",
        "genome.yaml:10:34",
    ),
    (
        "a base that is nowhere",
        (
            "  base: scratch\n  architecture: {type: llama, hidden_size: 16, num_hidden_layers: 1, "
            "num_attention_heads: 2}\n  context_tokens: 64\n  tokenizer: {train: bpe, vocab_size: 300}",
            "  base: ./nowhere\n  context_tokens: 64\n  tokenizer: {pretrained: ./nowhere}",
        ),
        "cannot be read: './nowhere'",
        "genome.yaml:4:3  model",
    ),
]


@pytest.mark.parametrize(
    ("pair", "what", "where"), [one[1:] for one in MODEL_FAULTS], ids=[one[0] for one in MODEL_FAULTS]
)
def test_a_model_at_fault(project, refused, pair, what, where):
    project.change(pair)
    for verb in VERBS:
        (block,) = refused(verb, "genome.yaml")
        assert what in block.splitlines()[0] and f"where     {where}" in block, block


def test_a_tokenizer_that_does_not_match_the_model(project, refused):
    """A small pretrained model, and a tokenizer with more entries than it has rows."""
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models

    config = transformers.LlamaConfig(
        vocab_size=8,
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        max_position_embeddings=64,
    )
    transformers.LlamaForCausalLM(config).save_pretrained(project.root / "small")
    inner = Tokenizer(models.WordLevel({f"w{i}": i for i in range(20)}, unk_token="w0"))
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="w1", unk_token="w0")
    fast.save_pretrained(project.root / "words")
    project.change(
        (
            "  base: scratch\n  architecture: {type: llama, hidden_size: 16, num_hidden_layers: 1, "
            "num_attention_heads: 2}\n  context_tokens: 64\n  tokenizer: {train: bpe, vocab_size: 300}",
            "  base: ./small\n  context_tokens: 64\n  tokenizer: {pretrained: ./words}",
        )
    )
    for verb in ("prepare", "run"):
        (block,) = refused(verb, "genome.yaml")
        assert "the tokenizer does not match the model." in block
        assert "where     genome.yaml:6:14  model.tokenizer" in block and "20 ids" in block and "8 rows" in block


def test_a_fingerprint_that_does_not_fit(project, refused):
    project.change(("    title: The Pond", f"    sha256: {'a' * 64}\n    title: The Pond"), file="stages/library.yaml")
    for verb in ("prepare", "run"):
        (block,) = refused(verb, "genome.yaml")
        assert "book 'pond' does not fit its fingerprint." in block
        assert "where     stages/library.yaml:12:5  books.pond.source" in block


def test_a_book_that_is_not_there_and_an_empty_one(project, refused):
    (project.root / "books/hill.md").unlink()
    project.write("books/pond.md", " \n\n")
    blocks = refused("plan", "genome.yaml", "stages.0.span.epochs=1", "stages.1.span.epochs=1")
    assert len(blocks) == 2
    assert "book 'hill' has a file that is not there." in blocks[0] and "stages/library.yaml:3:5" in blocks[0]
    assert "book 'pond' is empty" in blocks[1] and "stages/library.yaml:12:5" in blocks[1]
    for verb in ("prepare", "run"):
        assert "book 'hill'" in refused(verb, "genome.yaml")[0]
    project.write("books/hill.md", "The hill is high. " * 2000)
    for verb in ("prepare", "run"):
        assert "book 'pond' is empty" in refused(verb, "genome.yaml")[0]


def test_a_book_of_one_word(project, refused):
    project.write("books/pond.md", "word\n")
    (block,) = refused("run", "genome.yaml")
    assert "book 'pond' is empty after cleaning." in block and "stages/library.yaml:12:5" in block


def test_a_book_that_is_not_text(project, refused):
    project.write("books/pond.md", b"\xff\xfe\x00bad")
    (block,) = refused("prepare", "genome.yaml")
    assert "book 'pond'" in block


@pytest.mark.parametrize("source", ["file:../outside.md", "file:/etc/hostname", "file:books/link.md"])
def test_a_book_outside_the_library(project, refused, source):
    (project.root / "books/link.md").symlink_to("/etc/hostname")
    project.change(('"file:books/pond.md"', f'"{source}"'), file="stages/library.yaml")
    (block,) = refused("prepare", "genome.yaml")
    assert "leaves the library's folder" in block and "stages/library.yaml:12:5" in block


def test_more_tokens_than_the_books_hold(project, refused):
    project.change(("{tokens: 1500}", "{tokens: 900000}"))
    for verb in ("prepare", "run"):
        (block,) = refused(verb, "genome.yaml")
        assert "asks for more tokens than its books hold" in block
        assert "where     genome.yaml:15:20  stages[1].span.tokens" in block and "900,000" in block


def test_gap_scenes_without_their_cast(project, refused):
    project.change(("name: second", "name: second\n    scenes: {every_tokens: 300, kinds: [gap]}"))
    for verb in ("prepare", "plan", "genome check"):
        (block,) = refused(*verb.split(), "genome.yaml")
        assert "need roles the genome does not have" in block and "genome.yaml:15:40" in block


def test_a_scene_file_at_fault(project, refused):
    project.write("stages/first/scenes.yaml", "- {id: a}\n")
    project.change(
        ("    span: {tokens: 2000}", "    span: {tokens: 2000}\n    scenes: {every_tokens: 300, kinds: [conflict]}")
    )
    blocks = refused("prepare", "genome.yaml")
    assert any("'turns' is missing" in block and "stages/first/scenes.yaml:1:3" in block for block in blocks)


def test_a_catalogue_at_fault(project, refused):
    project.change(("    title: The Pond", "    titel: The Pond"), file="stages/library.yaml")
    blocks = refused("plan", "genome.yaml")
    assert len(blocks) == 2 and "unknown key 'titel'" in blocks[1] and "stages/library.yaml:13:5" in blocks[1]
    assert refused("library", "list") == blocks
    assert "cannot be read" in refused("plan", "genome.yaml", "--library", "nowhere.yaml")[0]


def test_files_that_are_no_genome(project, refused):
    project.write("latin.yaml", "name: café\n".encode("latin-1"))
    project.write("list.yaml", "- 1\n")
    for name, what in (
        ("absent.yaml", "cannot be read"),
        ("latin.yaml", "not UTF-8"),
        ("list.yaml", "not a mapping"),
        ("stages", "cannot be read"),
        ("/dev/null", "not a mapping"),
    ):
        for verb in VERBS:
            assert what in refused(verb, name)[0]


def test_outside_any_project(project, refused, tmp_path_factory, monkeypatch):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "g.yaml").write_text("name: x\n")
    monkeypatch.chdir(elsewhere)
    for command in (["plan", "g.yaml"], ["library", "list"], ["scenes", "list"]):
        assert "no library stands near" in refused(*command)[0]


def test_scenes_that_are_not_there(project, refused):
    assert "no such scene" in refused("scenes", "show", "nothing")[0]


def test_a_usage_error_is_no_traceback(project, ontogeny):
    for arguments in (["nosuch"], ["plan"], ["plan", "genome.yaml", "--nosuch"], ["export", "x"], []):
        told = ontogeny(*arguments)
        assert told.code == 2 and "Traceback" not in told.err + told.out
    assert ontogeny("--version").out.startswith("ontogeny ")


def test_a_place_nobody_may_write(project, ontogeny, refused):
    project.write("file", "here\n")
    for out in ("file", "file/run", "x" * 300):
        (block,) = refused("prepare", "genome.yaml", "--out", out)
        assert "RunError" in block and out[:9] in block
    block = refused("prepare", "genome.yaml", "--out", "/proc/nowhere", code=1)[0] if sys.platform == "linux" else ""
    assert not block or "refused" in block


def test_a_strict_check(project, ontogeny):
    project.change(("licence: CC0-1.0\n  pond", "licence: GPL-3.0-only\n  pond"), file="stages/library.yaml")
    told = ontogeny("genome", "check", "genome.yaml")
    assert told.code == 0 and "warning: licences that restrict" in told.err
    assert ontogeny("genome", "check", "genome.yaml", "--strict").code == 2


def test_the_installed_command_shows_no_traceback(project):
    """Once through a real process: the entry point itself."""
    project.change(("seed: 3", "seed: -3"))
    done = subprocess.run(
        [sys.executable, "-c", "from ontogeny.cli.app import main; main()", "run", "genome.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("GenomeError: 'seed' does not fit.\n  where     genome.yaml:2:7  seed\n")
    assert len(done.stderr.splitlines()) == 5
