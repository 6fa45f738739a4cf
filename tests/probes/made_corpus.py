"""A small corpus folder as probes read it, made of drawn words, with a model and adapters beside it."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import torch

from ontogeny.core.hashes import file_sha256
from ontogeny.corpus.vocabulary import train_tokenizer
from ontogeny.models.adapters import write_adapter
from ontogeny.models.causal import build_model, write_model
from ontogeny.models.stacked import build_stack

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from tiny_models import role, spec_of, stir

VOCAB = 400
ROLES = {"student": role(4, 8), "critic": role(2, 4, "all")}


def write_corpus(folder: Path, stages=("primer", "lexicon"), passages=6, items=9, splits=("gate", "test")) -> Path:
    rng = random.Random(4)
    words = ["".join(rng.choice("abdeilmnorstu") for _ in range(rng.randint(2, 7))) for _ in range(300)]

    def sentence(count):
        return " ".join(rng.choice(words) for _ in range(count)).capitalize() + "."

    train_tokenizer([sentence(12) for _ in range(400)], VOCAB, folder / "tokenizer", 64)
    for stage in stages:
        (folder / stage).mkdir(parents=True)
        with open(folder / stage / "heldout.jsonl", "w", encoding="utf-8") as file:
            for place in range(passages * len(splits)):
                line = {
                    "book": "book",
                    "start": 1000 * place,
                    "end": 1000 * place + 1,
                    "split": splits[place % len(splits)],
                    "contaminated": place == 0,
                    "text": sentence(rng.randint(5, 60)) + "\n\n",
                }
                file.write(json.dumps(line) + "\n")
        with open(folder / stage / "items.jsonl", "w", encoding="utf-8") as file:
            for place in range(items * len(splits)):
                line = {
                    "id": f"{stage}-{place}",
                    "kind": "gap",
                    "split": splits[place % len(splits)],
                    "book": "book",
                    "context": sentence(rng.randint(3, 50)) + "\nTeacher:",
                    "answer": f" {sentence(4)}\n",
                    "foils": [f" {sentence(rng.randint(3, 6))}\n"],
                    "probe": "conflict_resolution",
                }
                file.write(json.dumps(line) + "\n")
    return folder


def write_general(folder: Path, items: int = 10) -> None:
    """General items of drawn words: pairs of sentences that share a template by two, and questions with three foils."""
    rng = random.Random(9)
    words = ["".join(rng.choice("abdeilmnorstu") for _ in range(rng.randint(2, 7))) for _ in range(200)]

    def some(count):
        return [rng.choice(words) for _ in range(count)]

    with open(folder / "items.jsonl", "w", encoding="utf-8") as file:
        for place in range(items):
            head, (good, bad), tail = some(rng.randint(1, 4)), some(2), some(3)
            pair = [" ".join([*head, one, *tail]).capitalize() + "." for one in (good, bad + "x")]
            line = {"id": f"pair-{place}", "probe": "minimal_pairs", "kind": "ab"[place % 2], "on": "simple"}
            line |= {"split": "test", "template": f"t{place // 2}", "context": "", "answer": pair[0], "foils": pair[1:]}
            file.write(json.dumps(line) + "\n")
            answer, *foils = (" " + " ".join(some(rng.randint(1, 3))) + f" {k}" for k in range(4))
            line = {"id": f"trail-{place}", "probe": "trail_recall", "kind": "known", "on": "2", "split": "test"}
            line |= {"template": f"trail-{place}", "answer": answer, "foils": foils}
            file.write(json.dumps(line | {"context": " ".join(some(rng.randint(3, 20))).capitalize() + ":"}) + "\n")


def write_life(folder: Path, family: str = "llama") -> dict[str, Path]:
    """corpus/, model/ and one folder a role."""
    write_corpus(folder / "corpus")
    model = build_model(spec_of(family), VOCAB, 0, 7)
    write_model(model.state_dict(), model.config, folder / "corpus" / "tokenizer", folder / "model", torch.float32)
    stack = build_stack(model, ROLES, 3)
    stir(stack, 0.3)
    base = file_sha256(folder / "model" / "model.safetensors")
    transposed = any(module.transposed for module in stack.wrapped().values())
    for name, spec in ROLES.items():
        write_adapter(stack.role_parameters(name), spec, base, folder / name, transposed)
    return {name: folder / name for name in ROLES}
