"""A run directory of two stages with specialists, made without a life: for the orchestra and `converse`."""

from __future__ import annotations

import json
import random
from pathlib import Path

import torch
from tiny_models import role, spec_of, stir

from ontogeny.core.hashes import file_sha256
from ontogeny.core.run import RunDirectory
from ontogeny.corpus.vocabulary import train_tokenizer
from ontogeny.models.adapters import write_adapter
from ontogeny.models.causal import build_model, write_model
from ontogeny.models.stacked import build_stack

CONTEXT_TOKENS, VOCAB_SIZE = 128, 400
ROLES = {
    "student": role(4, 8),
    "critic": role(2, 4, "all", "top-half"),
    "teacher": role(2, 4, "mlp", [1]),
}
QUESTION = "Why does the water leave the shore twice a day?"


def write_run(folder: Path, stages: tuple[str, ...] = ("school", "science"), roles: dict | None = None) -> RunDirectory:
    """Every stage has a trunk of its own and an adapter for each role; coherence items of the student and the critic
    are held out."""
    rng = random.Random(3)
    words = ["".join(rng.choice("abdeilmnorstu") for _ in range(rng.randint(2, 7))) for _ in range(200)]
    texts = [f"{' '.join(rng.choice(words) for _ in range(9)).capitalize()}.\n" for _ in range(300)]
    train_tokenizer([*texts, "Student: Teacher: Critic:\n"], VOCAB_SIZE, folder / "tokenizer", CONTEXT_TOKENS)
    for number, stage in enumerate(stages, 1):
        write_stage(folder / "stages" / f"{number:02d}-{stage}", folder / "tokenizer", number, roles or ROLES)
        lines = "".join(json.dumps(_item(stage, at, rng, words)) + "\n" for at in range(6))
        (folder / "corpus" / stage).mkdir(parents=True)
        (folder / "corpus" / stage / "items.jsonl").write_text(lines)
    (folder / "genome.yaml").write_text("name: made\n")
    plan = {"seed": 5, "language": "en", "context_tokens": CONTEXT_TOKENS, "stages": [{"name": one} for one in stages]}
    (folder / "plan.json").write_text(json.dumps(plan))
    return RunDirectory(folder)


def write_stage(folder: Path, tokenizer: Path, seed: int, roles: dict) -> None:
    """A stage folder with a model and adapters that do something."""
    model = build_model(spec_of(context_tokens=CONTEXT_TOKENS), VOCAB_SIZE, 0, seed)
    for parameter in model.parameters():
        if parameter.dim() == 2:
            parameter.data.mul_(5.0)
    write_model(model.state_dict(), model.config, tokenizer, folder / "model", torch.float32)
    if not roles:
        return
    stack = build_stack(model, roles, seed)
    stir(stack, 0.2, seed)
    base = file_sha256(folder / "model" / "model.safetensors")
    for name, spec in roles.items():
        write_adapter(stack.role_parameters(name), spec, base, folder / "adapters" / name)


def _item(stage: str, at: int, rng: random.Random, words: list[str]) -> dict:
    def said() -> str:
        return " " + " ".join(rng.choice(words) for _ in range(5)).capitalize() + "."

    context = f"Teacher:{said()}\nStudent:" + (f"{said()}\nCritic:" if at % 2 else "")
    fields = {"id": f"{stage}-{at}", "probe": "coherence", "kind": "scene", "split": "test", "foils": [said()]}
    return fields | {"context": context, "answer": said(), "contaminated": at == 5}
