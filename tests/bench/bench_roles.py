"""Speed and memory of roles trained at once against PEFT, one adapter after another, interleaved in one process.

    python -m tests.bench.bench_roles [--steps 10] [--rounds 7] [--roles 4] [--large] [--memory]

The same rows, ranks, targets and starts on both sides: a step of ours feeds one row a role; a step of PEFT's feeds one
row to one adapter, and each role has its turn. Both clip and step AdamW. Ratios of tokens a second, by the wall and by
processor time (which another's load touches less), are medians over rounds, with their range. Two kinds of rows: each
role its own, and one pack read once by every role, as the roles' phase feeds it. `--memory`: peaks of whole processes,
each in one of its own, and what is above the process before its model was built."""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

DEMO = {"hidden_size": 192, "num_hidden_layers": 4, "num_attention_heads": 4}
LARGE = {"hidden_size": 448, "num_hidden_layers": 6, "num_attention_heads": 7}
VOCABULARY = 4096
RANK, ALPHA, RATE, CLIP_NORM = 8, 16, 2e-3, 1.0
CASES = (  # tokens of a row, layers, whether the roles read the same pack, the ratio that is asked for
    (64, "all", False, 1.4),
    (256, "all", False, 1.15),
    (64, "top-half", True, 1.4),
    (256, "top-half", True, 1.4),
    (64, "top-half", False, None),
    (256, "top-half", False, None),
)


def built(large: bool) -> Any:
    """A llama of the demo's sizes, or one of 17 M parameters."""
    from ontogeny.models.causal import build_model

    architecture = {"type": "llama", **(LARGE if large else DEMO), "tie_word_embeddings": True}
    spec = SimpleNamespace(
        base="scratch", architecture=architecture, context_tokens=512, precision="fp32", tokenizer=None
    )
    return build_model(spec, VOCABULARY, 0, 7)


def loss_of(logits_BTV: Any, ids_BT: Any) -> Any:
    """Nats a token, summed over rows, so that each role's gradient is what it is alone."""
    from ontogeny.train.losses import token_nats

    return token_nats(logits_BTV, ids_BT).mean(dim=1).sum()


class Together:
    """All roles in one forward and backward, by the stack and the optimizer of a life."""

    def __init__(self, large: bool, roles: int, layers: str):
        from ontogeny.models.stacked import build_stack
        from ontogeny.train.optimizer import GroupClippedAdamW

        spec = SimpleNamespace(rank=RANK, alpha=ALPHA, targets="attention", layers=layers)
        names = [f"role_{number}" for number in range(roles)]
        self.stack = build_stack(built(large), dict.fromkeys(names, spec), 3).train()
        groups = [
            {
                "params": list(self.stack.role_parameters(name).values()),
                "name": name,
                "lr": RATE,
                "clip_norm": CLIP_NORM,
                "weight_decay": 0.0,
            }
            for name in names
        ]
        self.optimizer = GroupClippedAdamW(groups)
        self.optimizer.awake = True

    def steps(self, ids_SKT: Any) -> None:
        """A step for each S: one row a role K."""
        import torch

        for ids_KT in ids_SKT:
            self.stack.set_groups(torch.arange(len(ids_KT)))
            told_KT = torch.ones_like(ids_KT, dtype=torch.bool)
            nats_KT = self.stack(input_ids=ids_KT, told_BT=told_KT, use_cache=False)
            nats_KT.mean(dim=1).sum().backward()
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)


class InTurn:
    """One PEFT adapter at a time, its optimizer and clipping as one writes them by hand."""

    def __init__(self, large: bool, roles: int, layers: str):
        import torch
        from peft import LoraConfig, get_peft_model

        from ontogeny.models.stacked import choose_modules

        model = built(large)
        spec = SimpleNamespace(rank=RANK, alpha=ALPHA, targets="attention", layers=layers)
        config = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=choose_modules(model, spec))
        self.names = [f"role_{number}" for number in range(roles)]
        self.model = get_peft_model(model, config, adapter_name=self.names[0]).train()
        for name in self.names[1:]:
            self.model.add_adapter(name, config)
        self.optimizers = {}
        for name in self.names:
            self.model.set_adapter(name)
            mine = [value for value in self.model.parameters() if value.requires_grad]
            self.optimizers[name] = torch.optim.AdamW(mine, lr=RATE, betas=(0.9, 0.95), weight_decay=0.0, fused=True)

    def steps(self, ids_SKT: Any) -> None:
        """Each role's steps, one row each, after the other's."""
        import torch

        for number, name in enumerate(self.names):
            self.model.set_adapter(name)
            optimizer = self.optimizers[name]
            for ids_1T in ids_SKT[:, number : number + 1]:
                loss_of(self.model(input_ids=ids_1T, use_cache=False).logits, ids_1T).backward()
                torch.nn.utils.clip_grad_norm_(optimizer.param_groups[0]["params"], CLIP_NORM)
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)


def rows(steps: int, roles: int, tokens: int, same: bool, seed: int) -> Any:
    """Random ids_SKT; `same`: the roles of a step read one pack."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    ids_SKT = torch.randint(0, VOCABULARY, (steps, 1 if same else roles, tokens), generator=generator)
    return ids_SKT.expand(-1, roles, -1).contiguous()


def took(work: Callable[[], None]) -> tuple[float, float]:
    """Seconds by the wall, and of processors."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - processor


def bench(
    tokens: int, layers: str, same: bool, asked: float | None, steps: int, rounds: int, roles: int, large: bool
) -> str:
    """One line: the ratios of a case."""
    ours, theirs = Together(large, roles, layers), InTurn(large, roles, layers)
    walls, processors, speeds = [], [], []
    for number in range(rounds + 1):
        ids_SKT = rows(steps, roles, tokens, same, number)
        told = [took(lambda side=side, ids=ids_SKT: side.steps(ids)) for side in (ours, theirs)]
        if number:  # the first round warms up
            walls.append(told[1][0] / told[0][0])
            processors.append(told[1][1] / told[0][1])
            speeds.append(ids_SKT.numel() / told[0][0])
    ratios = [f"{statistics.median(one):.2f} ({min(one):.2f} to {max(one):.2f})" for one in (walls, processors)]
    kind = "one pack" if same else "own rows"
    asked_for = f", asked {asked}" if asked else ""
    speed = statistics.median(speeds)
    return (
        f"{tokens:>4} tokens, {layers:<8}, {kind}: wall {ratios[0]}, processor {ratios[1]}, {speed:,.0f} t/s{asked_for}"
    )


def resident_mib() -> float:
    """The peak of this process so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def peak(side: str, tokens: int, layers: str, roles: int, large: bool) -> None:
    """Prints the peak of this process over a few steps, and how far it is above what stood before the model."""
    import peft  # noqa: F401

    import ontogeny.models.stacked  # noqa: F401

    before = resident_mib()
    if side == "together":
        worker: Any = Together(large, roles, layers)
    else:
        worker = InTurn(large, 1, layers)
    ids_SKT = rows(6, roles, tokens, layers == "top-half", 1)
    if side == "one role":
        ids_SKT = ids_SKT[:, :1]
    elif side == "one run of all rows":
        ids_SKT, worker.steps = ids_SKT, _batched(worker)
    worker.steps(ids_SKT)
    print(json.dumps([resident_mib(), resident_mib() - before]))


def _batched(worker: InTurn) -> Callable[[Any], None]:
    """Steps of one adapter over all rows of a step at once."""

    def steps(ids_SKT: Any) -> None:
        optimizer = worker.optimizers[worker.names[0]]
        for ids_KT in ids_SKT:
            loss_of(worker.model(input_ids=ids_KT, use_cache=False).logits, ids_KT).backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    return steps


def memory(tokens: int, layers: str, roles: int, large: bool) -> str:
    """One line: peaks of each side in a process of its own."""
    told = []
    for side in ("together", "one run of all rows", "one role"):
        words = [sys.executable, "-m", "tests.bench.bench_roles", "--peak", side, "--tokens", str(tokens)]
        words += ["--layers", layers, "--roles", str(roles), *(["--large"] if large else [])]
        done = subprocess.run(words, check=True, capture_output=True, text=True)
        told.append(json.loads(done.stdout.splitlines()[-1]))
    (ours, over), (all_rows, over_all), (one, over_one) = told
    whole = f"process {ours:.0f} MiB, {ours / all_rows:.2f} x one run of all rows, {ours / one:.2f} x one role's"
    above = f"above the imports {over:.0f} MiB, {over / over_all:.2f} x, {over / over_one:.2f} x"
    return f"{tokens:>4} tokens, {layers:<8}: {whole}; {above}"


def main() -> None:
    """Prints one line a case."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--steps", type=int, default=10)
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--roles", type=int, default=4)
    options.add_argument("--threads", type=int, default=0, help="0: as many as a life takes here")
    options.add_argument("--large", action="store_true", help="a 17 M model instead of the demo's")
    options.add_argument("--memory", action="store_true", help="peaks of memory instead of speed")
    options.add_argument("--peak", help=argparse.SUPPRESS)
    options.add_argument("--tokens", type=int, default=256, help=argparse.SUPPRESS)
    options.add_argument("--layers", default="all", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    import torch

    from ontogeny.train.launcher import cores

    torch.set_num_threads(chosen.threads or cores())
    if chosen.peak:
        peak(chosen.peak, chosen.tokens, chosen.layers, chosen.roles, chosen.large)
        return
    for tokens, layers, same, asked in CASES:
        if not chosen.memory:
            print(
                bench(tokens, layers, same, asked, chosen.steps, chosen.rounds, chosen.roles, chosen.large), flush=True
            )
        elif same or layers == "all":
            print(memory(tokens, layers, chosen.roles, chosen.large), flush=True)


if __name__ == "__main__":
    main()
