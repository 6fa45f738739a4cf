"""The genome verbs as a person types them: new, draft, check, show, diff, mutate, cross."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML

from ontogeny.core.description import genome_schema

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "books"
GIVEN = pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/books is not here")


def load(path: Path):
    return YAML(typ="safe", pure=True).load(path.read_text("utf-8"))


def tree(ontogeny, genome: str, *options: str):
    return json.loads(ontogeny("genome", "show", genome, "--tree", "--json", *options).out)


# new ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("template", ["seedling", "sprout"])
def test_a_new_genome_is_sound_and_reads_the_library(project, ontogeny, template):
    told = ontogeny("genome", "new", "--template", template, "--out", "mine.yaml")
    assert told.code == 0 and "next: ontogeny plan mine.yaml" in told.out and told.err == ""
    assert ontogeny("genome", "check", "mine.yaml", "--strict").code == 0
    (stage,) = tree(ontogeny, "mine.yaml")["stages"]
    assert (stage["name"], stage["use"], stage["span"]) == ("primer", None, {"books": "all"})
    books = [(section["name"], [book["id"] for book in section["books"]]) for section in stage["sections"]]
    assert books == (
        [("stories", ["hill"]), ("nature", ["pond"])] if template == "seedling" else [("stories", ["hill"])]
    )
    text = (project.root / "mine.yaml").read_text("utf-8")
    assert "# or {" in text and "name: mine" in text
    jsonschema.validate(load(project.root / "mine.yaml"), json.loads(genome_schema()))


def test_a_new_genome_uses_the_stage_folders_that_bear_a_levels_name(project, ontogeny):
    project.write("stages/primer/stage.yaml", "sections: [{name: waters, books: [pond, hill]}]\n")
    project.write("genome/schema.json", "{}")
    assert ontogeny("genome", "new", "--out", "mine.yaml", "-q").out == ""
    assert load(project.root / "mine.yaml")["stages"] == [
        {"use": "stages/primer", "span": {"books": "all"}, "loop_loss": {"repair": 2.0}}
    ]
    text = (project.root / "mine.yaml").read_text("utf-8")
    assert text.startswith("# yaml-language-server: $schema=genome/schema.json\n# mine: ")


def test_a_new_genome_of_a_pretrained_model(project, ontogeny):
    told = ontogeny("genome", "new", "--template", "continued", "--base", "org/a-model", "--out", "mine.yaml", "--json")
    assert json.loads(told.out)["genome"] == "mine.yaml"
    model = load(project.root / "mine.yaml")["model"]
    assert (model["base"], model["tokenizer"]) == ("org/a-model", {"pretrained": "org/a-model"})
    assert tree(ontogeny, "mine.yaml")["stages"]


WRITERS = {
    "new": ["new"],
    "draft": ["draft", "books"],
    "mutate": ["mutate", "genome.yaml", "--seed", "1"],
    "cross": ["cross", "genome.yaml", "genome.yaml", "--seed", "1"],
}


@pytest.mark.parametrize("verb", WRITERS)
def test_nothing_is_written_over_nor_where_it_cannot_be(project, refused, verb, tmp_path_factory):
    project.write("here.yaml", "mine\n")
    (project.root / "link.yaml").symlink_to("nowhere")
    for out, what in (
        ("here.yaml", "stands there already"),
        ("books", "stands there already"),
        ("link.yaml", "stands there already"),
        ("absent/child.yaml", "no folder for the file"),
        ("a b.yaml", "cannot be called"),
        ("x" * 300, "no file can be there"),
    ):
        if verb != "cross" or "called" not in what:
            assert what in refused("genome", *WRITERS[verb], "--out", out)[0], out
    if verb in ("new", "mutate", "cross"):
        elsewhere = tmp_path_factory.mktemp("elsewhere") / "child.yaml"
        assert "no library stands near" in refused("genome", *WRITERS[verb], "--out", str(elsewhere))[0]
        assert not elsewhere.exists()


def test_templates_that_are_not_there_and_a_library_of_nothing(project, refused):
    (block,) = refused("genome", "new", "--template", "sproud", "--out", "x.yaml")
    assert "one of seedling, continued, sprout; closest: 'sprout'" in block
    project.write("stages/library.yaml", "books: {}\n")
    assert "the library holds no book." in refused("genome", "new", "--out", "x.yaml")[0]


# draft --------------------------------------------------------------------------------------------------------------

EASY = "The cat sat. The dog ran. The cat ran to the dog. The dog sat by the cat. It is a cat. It is a dog. "
HARD = (
    "Notwithstanding considerable methodological disagreement, contemporary historiographers acknowledge that "
    "institutional transformations presuppose antecedent redistributions of administrative competence, whose "
    "consequences remained imperceptible to contemporaneous observers throughout successive generations. "
)
MIDDLE = "We walked along the river in the morning, and the miller told us how his wheel had been built by hand. "


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """Three tiny books in a folder that knows no library."""
    (tmp_path / "shelf").mkdir()
    for name, text in (("b-hard", HARD), ("c-easy", EASY), ("a-middle", MIDDLE)):
        (tmp_path / "shelf" / f"{name}.txt").write_text(text * 3, "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "shelf"


@pytest.mark.parametrize("out", ["shelf/mine.yaml", "mine.yaml"])
def test_a_draft_where_there_is_no_library_makes_one(shelf, ontogeny, out):
    told = ontogeny("genome", "draft", "shelf", "--out", out, "-q")
    assert (told.code, told.out, told.err) == (0, "", "")
    root = Path(out).absolute().parent
    catalogue = load(root / "stages" / "library.yaml")["books"]
    place = "" if root == shelf else "shelf/"
    assert {entry["source"] for entry in catalogue.values()} == {
        f"file:{place}{name}.txt" for name in ("a-middle", "b-hard", "c-easy")
    }
    assert ontogeny("genome", "check", out, "--strict").code == 0
    assert ontogeny("plan", out).code == 0
    stages = tree(ontogeny, out)["stages"]
    assert [stage["name"] for stage in stages] == ["easy", "middle", "hard"]
    assert [stage["sections"][0]["books"][0]["id"] for stage in stages] == ["c-easy", "a-middle", "b-hard"]
    assert {name: entry["level"] for name, entry in catalogue.items()} == {
        "c-easy": "easy", "a-middle": "middle", "b-hard": "hard"}  # fmt: skip
    text = Path(out).read_text("utf-8")
    jsonschema.validate(load(Path(out)), json.loads(genome_schema()))
    assert "# by difficulty" in text and text.count(" bytes") >= 3 and "# field: " in text


def test_a_draft_near_a_library_writes_its_catalogue_beside_and_says_how_to_name_it(project, ontogeny):
    (project.root / "more/deep sea").mkdir(parents=True)
    shutil.copy(project.root / "books/pond.md", project.root / "more/deep sea/Pond of old.md")
    shutil.copytree(project.root / "books", project.root / "more/books")
    told = ontogeny("genome", "draft", "more", "--out", "mine.yaml", "--json", "-q")
    facts = json.loads(told.out)
    assert facts["run"] == f"ontogeny run mine.yaml --library {project.root / 'mine.library.yaml'}"
    assert ontogeny("genome", "check", "mine.yaml", "--library", "mine.library.yaml").code == 0
    assert ontogeny("genome", "check", "mine.yaml").code == 2
    new = load(project.root / "mine.library.yaml")["books"]
    assert list(new) == ["hill-2", "pond-2", "pond-of-old"]  # hill and pond are in the library already
    assert new["pond-of-old"]["field"] == "deep sea" and new["pond-of-old"]["title"] == "Chapter 1"


def test_a_draft_of_known_books_needs_no_other_catalogue(project, ontogeny):
    told = ontogeny("genome", "draft", "books", "--out", "mine.yaml")
    assert told.code == 0 and "--library" not in told.out and not (project.root / "mine.library.yaml").exists()
    assert ontogeny("genome", "check", "mine.yaml").code == 0
    assert tree(ontogeny, "mine.yaml")["stages"][0]["name"] == "primer"
    assert "# by its catalogue" in (project.root / "mine.yaml").read_text("utf-8")


def test_levels_and_fields_that_folders_tell(shelf, ontogeny):
    for folder in ("2 - later/beasts", "10_last", "1.first/beasts", "1.first/sky"):
        (shelf / folder).mkdir(parents=True)
    for place, name in (("2 - later/beasts", "c-easy"), ("10_last", "a-middle"), ("1.first/sky", "b-hard")):
        (shelf / f"{name}.txt").rename(shelf / place / f"{name}.txt")
    (shelf / "1.first/beasts/Кот и пёс.txt").write_text("Кот сидел у реки. Пёс бежал домой. " * 6, "utf-8")
    (shelf / "1.first/beasts/cow.txt").write_text("The cow is big. The cow can moo. " * 9, "utf-8")
    (shelf / "notes.pdf").write_bytes(b"not a book at all")
    (shelf / ".hidden.txt").write_text("no\n")
    (shelf / "broken\nname.txt").write_text(EASY)
    (shelf / "link.txt").symlink_to(ROOT / "README.md")
    told = ontogeny("genome", "draft", "shelf", "--out", "mine.yaml", "--json", "-q")
    facts = json.loads(told.out)
    assert facts["stages"] == {"first": ["cow", "b-hard"], "later": ["c-easy"], "last": ["a-middle"]}
    assert "another language (ru)" in facts["left_out"]["1.first/beasts/Кот и пёс.txt"]
    assert set(facts["left_out"]) == {
        "1.first/beasts/Кот и пёс.txt", "notes.pdf", "link.txt", ascii("broken\nname.txt")}  # fmt: skip
    stages = tree(ontogeny, "mine.yaml")["stages"]
    assert [section["name"] for section in stages[0]["sections"]] == ["beasts", "sky"]
    catalogue = load(Path("stages/library.yaml"))["books"]
    assert catalogue["kot-i-pes"]["language"] == "ru" and catalogue["kot-i-pes"]["level"] == "unsorted"
    assert "# by the folder's name, 2 - later" in Path("mine.yaml").read_text("utf-8")


def test_folders_that_give_no_draft(shelf, ontogeny, tmp_path_factory):
    (shelf / "empty").mkdir()
    (shelf / "bad").mkdir()
    (shelf / "bad/blank.txt").write_text(" \n")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    before = sorted(shelf.parent.rglob("*"))
    for folder, out, what in (
        ("shelf/empty", "mine.yaml", "there is no book in this folder."),
        ("shelf/bad", "mine.yaml", "blank.txt"),
        ("shelf/nowhere", "mine.yaml", "this is no folder."),
        ("shelf/a-middle.txt", "mine.yaml", "this is no folder."),
        ("shelf", str(elsewhere / "mine.yaml"), "the genome and the books share no folder."),
    ):
        told = ontogeny("genome", "draft", folder, "--out", out, "-q")
        assert told.code == 2 and told.out == "" and what in told.err and len(told.blocks) == 1, (told.err, what)
    assert sorted(shelf.parent.rglob("*")) == before and not list(elsewhere.iterdir())


def test_a_draft_of_books_outside_the_library(project, refused, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "book.txt").write_text(EASY * 20, "utf-8")
    (block,) = refused("genome", "draft", str(outside), "--out", "mine.yaml", "-q")
    assert "the books lie outside the library's folder." in block and "copy the books into it" in block


@GIVEN
def test_a_draft_of_a_real_library(tmp_path, monkeypatch, ontogeny):
    shutil.copytree(SHARED, tmp_path / "books")
    monkeypatch.chdir(tmp_path)
    told = ontogeny("genome", "draft", "books", "--out", "mine.yaml", "--json", "-q")
    stages = json.loads(told.out)["stages"]
    assert list(stages) == ["primer", "lexicon", "school", "university", "science", "initiation"]
    assert sum(len(books) for books in stages.values()) == 45
    assert stages["primer"][0] == "mcguffey-eclectic-primer"
    shown = tree(ontogeny, "mine.yaml")
    fields = {
        book["id"]: book["field"] for stage in shown["stages"] for part in stage["sections"] for book in part["books"]
    }
    assert fields["calculus-made-easy"] == "mathematics" and fields["story-of-the-heavens"] == "astronomy"
    assert fields["elementary-study-of-chemistry"] == "chemistry" and fields["grammar-land"] == "language"
    assert load(tmp_path / "mine.yaml")["model"]["architecture"]["hidden_size"] == 384
    entry = load(tmp_path / "stages/library.yaml")["books"]["alice-in-wonderland"]
    assert entry["author"] == "Lewis Carroll" and entry["title"].startswith("Alice") and entry["language"] == "en"


# check, show, diff --------------------------------------------------------------------------------------------------


def test_check_tells_json(project, ontogeny):
    told = ontogeny("genome", "check", "genome.yaml", "--json")
    assert (told.code, json.loads(told.out)) == (0, {"genome": "genome.yaml", "faults": [], "warnings": []})
    project.change(("licence: CC0-1.0\n  pond", "licence: GPL-3.0-only\n  pond"), file="stages/library.yaml")
    assert len(json.loads(ontogeny("genome", "check", "genome.yaml", "--json").out)["warnings"]) == 1
    told = ontogeny("genome", "check", "genome.yaml", "--json", "--strict")
    assert told.code == 2 and len(json.loads(told.out)["faults"]) == 1
    told = ontogeny("genome", "check", "genome.yaml", "--strict")
    assert told.code == 2 and told.out == "" and "licences that restrict" in told.blocks[0]
    project.change(("seed: 3", "sede: 3"), ("[pond]", "[pont]"))
    told = ontogeny("genome", "check", "genome.yaml", "--json")
    faults = json.loads(told.out)["faults"]
    assert told.code == 2 and told.err == ""
    assert {("genome.yaml", 2, 1), ("genome.yaml", 17, 32)} <= {
        (f.get("file"), f.get("line"), f.get("column")) for f in faults
    }
    assert all({"what", "where", "got", "expected", "fix"} <= fault.keys() for fault in faults)


def test_the_tree_tells_slots_modes_and_sizes(project, ontogeny):
    project.change(
        (
            "    span: {tokens: 1500}",
            "    span: {epochs: 2}\n    reading: interleaved\n    scenes: {every_tokens: 500, kinds: [gap]}",
        ),
        (
            "{name: waters, books: [pond]}",
            "{name: waters, books: [pond]}\n      - {name: open, slot: {level: primer, count: 1}}",
        ),
    )
    out = ontogeny("genome", "show", "genome.yaml", "--tree").out
    assert "01 first   from stages/first, span tokens 2,000, sequential, no scenes, 1 book, " in out
    assert "02 second   span epochs 2, interleaved, gap scenes every 500 tokens, 1 book, " in out
    assert "open   slot {level: primer, count: 1}" in out and "pond   The Pond, The tests   primer, nature   " in out


def test_a_diff_speaks_of_stages_sections_books_and_rates(project, ontogeny):
    text = (project.root / "genome.yaml").read_text("utf-8")
    assert ontogeny("genome", "diff", "genome.yaml", "genome.yaml").out == "no difference\n"
    project.write("b.yaml", "# another comment\n" + text.replace("name: tiny", "name:   'tiny'"))
    told = ontogeny("genome", "diff", "genome.yaml", "b.yaml")
    assert (told.code, told.out) == (0, "no difference\n")
    project.write(
        "b.yaml",
        text.replace("learning_rate: 1.0e-3, batch_tokens: 128", "learning_rate: 2.0e-3, batch_tokens: 128")
        .replace(
            "use: stages/first",
            "use: stages/first\n    sections: [{name: walks, books: [pond]}, {name: more, slot: {count: 1}}]",
        )
        .replace("tokens: 1500", "tokens: 3000")
        .replace("books: [pond]}\n", "books: [hill]}\n")
        + "cleaning: {skip_rules: [hard_wrap]}\n",
    )
    out = ontogeny("genome", "diff", "genome.yaml", "b.yaml").out
    for line in (
        "trunk\n  learning_rate: 1.0e-3 -> 2.0e-3   (x 2)",
        "cleaning\n  skip_rules: [] -> [hard_wrap]",
        "stage first\n  + section more (after walks): slot {count: 1}",
        "stage second\n  span.tokens: 1500 -> 3000   (x 2)",
        "  hill: moved from first (walks) to second (waters)",
        "  pond: moved from second (waters) to first (walks)",
    ):
        assert line in out, (line, out)
    assert out.count("learning_rate") == 1  # said where it was changed, not in every stage that inherits it
    changes = json.loads(ontogeny("genome", "diff", "genome.yaml", "b.yaml", "--json").out)
    moved = [change for change in changes["changes"] if change["kind"] == "moved"]
    assert not changes["equal"] and [(one["what"], one["before"][0], one["after"][0]) for one in moved] == [
        ("hill", "first", "second"), ("pond", "second", "first")]  # fmt: skip


# mutate, cross ------------------------------------------------------------------------------------------------------


def test_mutate_and_cross_write_children_that_pass(project, ontogeny):
    project.change(
        ("trunk: {", "# how it learns\ntrunk: {"), ("    span: {tokens: 1500}", "    span: {tokens: 1500}   # short")
    )
    before = project.listing()
    for seed in (1, 2):
        told = ontogeny("genome", "mutate", "genome.yaml", "--seed", str(seed), "--out", f"m{seed}.yaml", "--json")
        (record,) = json.loads(told.out)["lineage"]
        assert record["seed"] == seed and record["parents"][0]["name"] == "tiny"
        assert ontogeny("genome", "check", f"m{seed}.yaml").code == 0
        text = (project.root / f"m{seed}.yaml").read_text("utf-8")
        assert "# how it learns\n" in text and "   # short" in text and text.startswith("# lineage:\n")
        difference = ontogeny("genome", "diff", "genome.yaml", f"m{seed}.yaml").out
        assert difference.startswith(f"genome\n  name: tiny -> m{seed}\n") and difference.count("\n") > 2
    told = ontogeny("genome", "cross", "m1.yaml", "m2.yaml", "--seed", "3", "--out", "c.yaml")
    assert told.code == 0 and "stages of m2: " in told.out and "c.yaml: written" in told.out
    assert ontogeny("genome", "check", "c.yaml").code == 0
    assert (project.root / "c.yaml").read_text("utf-8").count("# - child: ") == 3
    assert before.items() <= project.listing().items()
    assert ontogeny("genome", "mutate", "genome.yaml", "--seed", "1", "--out", "again.yaml", "-q").out == ""
    again, first = ((project.root / f"{name}.yaml").read_text("utf-8") for name in ("again", "m1"))
    assert again.replace("name: again", "name: m1") == first


def test_parents_at_fault(project, refused):
    (block,) = refused("genome", "cross", "genome.yaml", "genome.yaml", "--seed", "1", "--out", "c.yaml")
    assert "the two have no child." in block
    project.change(("seed: 3", "seed: -3"))
    assert "'seed' does not fit." in refused("genome", "mutate", "genome.yaml", "--seed", "1", "--out", "m.yaml")[0]
    assert refused("genome", "diff", "genome.yaml", "absent.yaml")
