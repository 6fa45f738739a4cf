"""A small genome on disk with every kind of material, and its corpus, and those of its arms."""

from __future__ import annotations

from pathlib import Path

from making import make_library, make_prose, scene_yaml

from ontogeny.core.arms import arm_of, with_arm
from ontogeny.core.genome import LoadedGenome, load_genome
from ontogeny.core.plan import ModelFacts, Plan, World, make_plan
from ontogeny.corpus.prepare_arm import prepare_arm
from ontogeny.corpus.rows import Corpus

FACTS = ModelFacts("llama", 30_000, 512, 128, 2, 32, 4)
GENOME = """\
name: small
seed: 5
language: en
model:
  base: scratch
  architecture: {type: llama, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 4}
  context_tokens: 128
  tokenizer: {train: bpe, vocab_size: 512}
trunk: {update: full, learning_rate: 1.0e-3, batch_tokens: 512, replay_frac: 0.2}
roles:
  student: &role {rank: 4, alpha: 8, learning_rate: 2.0e-3, batch_tokens: 256}
  teacher: *role
  critic: *role
  reformulator: *role
stages:
  - use: stages/first
    span: {books: all}
    loop_loss: {repair: 2.0}
  - use: stages/second
    span: {books: all}
    reading: interleaved
  - use: stages/third
    span: {tokens: 2500}
"""
SECTIONS = {
    "first": "[{name: one, books: [alpha, beta]}]",
    "second": "[{name: two, books: [gamma]}, {name: three, books: [delta, epsilon]}]",
    "third": "[{name: four, books: [zeta, eta]}]",
}
BOOKS = {
    name: make_prose(seed, paragraphs, 8)
    for seed, (name, paragraphs) in enumerate(
        (("alpha", 40), ("beta", 24), ("gamma", 40), ("delta", 24), ("epsilon", 16), ("zeta", 40), ("eta", 24)), 11
    )
}


def small_genome(root: Path, *overrides: str) -> LoadedGenome:
    """A project of seven books and three stages at `root`, the second read in turns."""
    scenes = {
        stage: "".join(
            scene_yaml(f"{stage}-{i}", trigger)
            for i, trigger in enumerate(
                ("phrase: bridge with", "phrase: lamp with", "after: chapter", "phrase: mirror with")
            )
        )
        for stage in SECTIONS
    }
    make_library(root, BOOKS, scenes)
    for stage, sections in SECTIONS.items():
        scene_keys = "scenes: {every_tokens: 250, kinds: [conflict, gap]}"
        (root / "stages" / stage / "stage.yaml").write_text(f"name: {stage}\nsections: {sections}\n{scene_keys}\n")
    (root / "genome.yaml").write_text(GENOME)
    return load_genome(root / "genome.yaml", overrides)


def plan_of(loaded: LoadedGenome, counts: dict | None = None) -> Plan:
    """The plan, exact where a manifest is given."""
    sizes = dict.fromkeys(loaded.library.entries, 10_000)
    return make_plan(loaded.genome, loaded.library, World(), FACTS, counts, sizes)


def prepare_life(loaded: LoadedGenome, words: str, run: Path) -> tuple[Plan, Corpus]:
    """(exact plan, corpus) of an arm at RUN/corpus; runs beside each other share a store."""
    arm = with_arm(loaded, arm_of(words))
    store = run.parent / ".store"
    corpus = prepare_arm(plan_of(arm), plan_of(loaded), loaded.library, run, None, None, store)
    return plan_of(arm, corpus.manifest), corpus
