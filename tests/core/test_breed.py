"""Children of genomes: sound, told, deterministic, and true to the files they come from."""

from __future__ import annotations

import re
import shutil
from functools import cache
from pathlib import Path
from random import Random

import pytest

from ontogeny.core.breed import Child, cross, mutate, name_of
from ontogeny.core.diff import diff_genomes
from ontogeny.core.edit import YamlText
from ontogeny.core.errors import GenomeError
from ontogeny.core.genome import LoadedGenome, genome_hash, load_genome
from ontogeny.core.lineage import read_lineage
from ontogeny.core.mutations import MUTATIONS, Bench

ROOT = Path(__file__).parents[2]
OUT = ROOT / "genome" / "a-child.yaml"
SLOTTED = """
  - name: third
    span: {epochs: 2}
    reading: interleaved
    sections:
      # two of any kind
      - {name: open, slot: {level: primer, count: 2}}
      - name: named
        books:
          - chat      # speaks French
cleaning: {skip_rules: [hard_wrap]}
"""


@cache
def parent(name: str) -> LoadedGenome:
    return load_genome(ROOT / "genome" / f"{name}.yaml", locked=False)


def unknown(_: str) -> None:
    """Nobody knows how large a book is."""


def comments(text: str) -> list[str]:
    return [one.strip() for one in re.findall(r"(?:^|\s)#\s?(.*)$", text, re.MULTILINE)]


def mutated(loaded: LoadedGenome, seed: int, size_of=unknown, out: Path = OUT) -> Child:
    return mutate(loaded, seed, out, loaded.library, size_of)


def crossed(one: LoadedGenome, other: LoadedGenome, seed: int, size_of=unknown, out: Path = OUT) -> Child:
    return cross(one, other, seed, out, one.library, size_of)


@pytest.mark.parametrize("group", range(10))
def test_a_hundred_seeds_give_a_hundred_sound_children(group):
    """Sound: composing it found no fault (`mutate` proves it). Here: told, different, nothing of the parent lost."""
    for seed in range(group * 10, group * 10 + 10):
        loaded = parent({0: "seedling", 1: "smollm2"}.get(seed % 10, "sprout"))
        child = mutated(loaded, seed)
        assert 1 <= len(child.changes) <= 3
        assert [one for one in diff_genomes(loaded.genome, child.loaded.genome) if one.what != "name"]
        text = loaded.path.read_text("utf-8")
        assert not [one for one in comments(text) if one not in comments(child.text)]
        assert list(child.loaded.document.value) == list(loaded.document.value)
        assert child.text.count(f"# mutate seed {seed}: ") >= len(child.changes)
        (record,) = read_lineage(child.text)
        assert record["changes"] == list(child.changes) and record["seed"] == seed
        assert record["parents"] == [{"name": loaded.genome.name, "genome": genome_hash(loaded.genome)}]
        assert record["child"] == genome_hash(child.loaded.genome)


def test_a_seed_decides():
    sprout = parent("sprout")
    texts = [mutated(sprout, seed).text for seed in (1, 2, 1)]
    assert texts[0] == texts[2] != texts[1]
    texts = [crossed(sprout, parent("smollm2"), seed).text for seed in (1, 1)]
    assert texts[0] == texts[1]


def test_lineage_grows(tmp_path):
    shutil.copytree(ROOT / "stages", tmp_path / "stages")
    path, loaded = None, parent("sprout")
    hashes = [genome_hash(loaded.genome)]
    for seed in range(3):
        path = tmp_path / f"child-{seed}.yaml"
        child = mutate(loaded, seed, path, loaded.library, unknown)
        path.write_text(child.text, "utf-8")
        loaded = load_genome(path, locked=False)
        hashes.append(genome_hash(loaded.genome))
    records = read_lineage(loaded.path.read_text("utf-8"))
    assert [record["child"] for record in records] == hashes[1:]
    assert [record["parents"][0]["genome"] for record in records] == hashes[:-1]
    assert [record["parents"][0]["name"] for record in records] == ["sprout", "child-0", "child-1"]
    child = cross(loaded, parent("smollm2"), 1, tmp_path / "last.yaml", loaded.library, unknown)
    assert [record["operation"] for record in read_lineage(child.text)] == ["mutate"] * 3 + ["cross"]
    assert child.text.count("# lineage:") == 1 and child.text.startswith(loaded.path.read_text("utf-8").split("\n")[0])


@pytest.mark.parametrize(("one", "other"), [("seedling", "sprout"), ("sprout", "seedling"), ("smollm2", "sprout")])
def test_a_cross_takes_stages_of_both_and_the_rest_of_the_first(one, other):
    for seed in range(4):
        child = crossed(parent(one), parent(other), seed)
        genome = child.loaded.genome
        books = [book for stage in genome.stages for section in stage.sections for book in section.book_ids]
        assert len(set(books)) == len(books)
        assert (genome.model, genome.trunk, genome.roles) == tuple(
            getattr(parent(one).genome, key) for key in ("model", "trunk", "roles")
        )
        assert [stage.name for stage in genome.stages][:2] == ["primer", "lexicon"]
        assert f"# cross seed {seed}: stage " in child.text
        assert genome_hash(genome) not in {genome_hash(parent(name).genome) for name in (one, other)}


def at(project, text: str = "") -> LoadedGenome:
    if text:
        project.write("genome.yaml", (project.root / "genome.yaml").read_text("utf-8").replace("\nmachine:", text))
    return load_genome(project.genome, locked=False)


@pytest.fixture
def slotted(project) -> LoadedGenome:
    """A genome with a slot, a reading mode and cleaning."""
    catalogue = (project.root / "stages/library.yaml").read_text("utf-8")
    owl = catalogue[catalogue.index("  owl:") : catalogue.index("  chat:")]
    project.write("stages/library.yaml", catalogue + owl.replace("owl", "wren"))
    return at(project, SLOTTED + "machine:")


@pytest.mark.parametrize("kind", MUTATIONS, ids=lambda kind: kind.__name__)
def test_every_kind_does_what_it_says(slotted, kind):
    done = 0
    for seed in range(6):
        edit = YamlText(slotted.path.read_text("utf-8"), "genome.yaml")
        bench = Bench(edit, slotted, Random(seed), "test", unknown)
        told = kind(bench)
        if told:
            done += 1
            (slotted.path.parent / "child.yaml").write_text(edit.finished(), "utf-8")
            child = load_genome(slotted.path.parent / "child.yaml", locked=False)
            assert diff_genomes(slotted.genome, child.genome), told
            assert "# test: " in edit.text and "speaks French" in comments(edit.text)
    assert done


def test_spans_stay_within_what_books_hold(project):
    project.change(("    span: {tokens: 4000}", "    span: {tokens: 4000}   # half of what there is"))
    loaded = at(project)
    for seed in range(8):
        child = mutated(loaded, seed, lambda book: 10_000, project.root / "child.yaml")
        first = next(stage for stage in child.loaded.genome.stages if stage.name == "first")
        books = len([book for section in first.sections for book in section.book_ids])
        assert first.span.unit != "tokens" or first.span.amount <= books * 10_000 / 2 * 0.95


def test_a_cross_by_position_mends_what_does_not_fit(project):
    project.write(
        "other.yaml",
        """\
name: other
seed: 1
model:
  base: scratch
  architecture: {type: llama, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 4}
  context_tokens: 32
  tokenizer: {train: bpe, vocab_size: 300}
trunk: {update: lora, rank: 2, alpha: 4, learning_rate: 1.0e-3, batch_tokens: 96}
roles: {student: &r {rank: 1, alpha: 1, inherit: fresh, learning_rate: 1.0e-3, batch_tokens: 96}, sage: *r}
stages:
  # the third's own comment
  - name: third
    span: {tokens: 50000}
    trunk: &t {rank: 4, batch_tokens: 32}
    roles: {sage: {rank: 3}, student: {batch_tokens: 32, rank: 3}}
    scenes: {every_tokens: 100, kinds: [gap]}
    gate: {probe: bits_per_byte, on: fourth, below: 3.0}
    sections:
      - {name: all, books: [fox, owl, chat]}
  - {name: fourth, span: {epochs: 2}, sections: [{name: one, books: [owl]}], trunk: *t}
""",
    )
    one, other = at(project), load_genome(project.root / "other.yaml", locked=False)
    seen = set()
    for seed in range(12):
        child = cross(one, other, seed, project.root / "child.yaml", one.library, lambda book: 10_000)
        genome = child.loaded.genome
        books = [book for stage in genome.stages for section in stage.sections for book in section.book_ids]
        assert len(set(books)) == len(books)
        seen.add(tuple(stage.name for stage in genome.stages))
        third = next((stage for stage in genome.stages if stage.name == "third"), None)
        if third:
            assert "# the third's own comment" in child.text
            assert third.trunk == genome.trunk and third.scenes is None and "sage" not in third.roles
            assert third.roles["student"].rank == 3 and third.roles["student"].batch_tokens == 128
            assert third.span.amount < 50_000
            assert (third.gate is None) == ("fourth" not in [stage.name for stage in genome.stages])
    assert seen == {("first", "fourth"), ("third",)}  # the second stage of the first has one book, which the third read


def test_parents_without_a_child(project, tmp_path):
    loaded = at(project)
    project.write("same.yaml", (project.root / "genome.yaml").read_text("utf-8"))
    same = load_genome(project.root / "same.yaml", locked=False)
    with pytest.raises(GenomeError, match="the parents again"):
        cross(loaded, same, 1, project.root / "child.yaml", loaded.library, unknown)
    project.write(
        "french.yaml", (project.root / "genome.yaml").read_text("utf-8").replace("language: en", "language: fr")
    )
    french = load_genome(project.root / "french.yaml", locked=False)
    with pytest.raises(GenomeError, match="the parents speak 'en' and 'fr'"):
        cross(loaded, french, 1, project.root / "child.yaml", loaded.library, unknown)
    for name in ("-x.yaml", "a b.yaml", "x" * 90):
        with pytest.raises(GenomeError, match="cannot be called"):
            name_of(tmp_path / name)


def test_a_spoiled_lineage_is_a_fault(project):
    project.change(("name: tiny", "# lineage:\n# - child: [\nname: tiny"))
    with pytest.raises(GenomeError, match="cannot be parsed"):
        mutated(at(project), 1, out=project.root / "child.yaml")
    project.change(("# - child: [\n", "# - child: x\n#   seed: 3\n"))
    with pytest.raises(GenomeError, match="a lineage is spoiled"):
        mutated(at(project), 1, out=project.root / "child.yaml")
