"""Two ranks whose rows repeat differently take the steps that one process takes, every row all the way.

Run as a program it is one of the ranks: ZERO RANK PORT."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROLES = ("student", "teacher", "critic")
ROWS = ((0, 0, 0), (1, 2, 3), (0, 1, 0), (2, 2, 2))  # packs of (step, rank), step by step
CLOSE = 1e-5


@pytest.mark.parametrize("zero", [0, 3])
def test_ranks_stay_in_step(zero):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    env = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests/models'}", "OMP_NUM_THREADS": "1"}
    words = [sys.executable, __file__, str(zero)]
    ranks = [
        subprocess.Popen([*words, str(rank), port], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    try:
        for rank in ranks:
            out, err = rank.communicate(timeout=240)
            assert rank.returncode == 0, err[-2000:]
            told = json.loads(out.splitlines()[-1])
            assert told["apart"] <= CLOSE * told["moved"] and told["moved"] > 1e-2 and told["rows"] == 3, told
    finally:
        for rank in ranks:
            rank.kill()


def stack_of_roles():
    """Adapters in the upper half of a tiny model, stirred."""
    from tiny_models import role, stir, tiny

    from ontogeny.models.stacked import build_stack

    stack = build_stack(tiny(), {name: role(4, 8, "attention", "top-half") for name in ROLES}, 3).train()
    stir(stack)
    return stack


def stepped(stack, make_optimizer, losses_of_step):
    """Two steps of a plain loop."""
    optimizer = make_optimizer([value for value in stack.parameters() if value.requires_grad])
    for step in range(2):
        losses_of_step(step).backward()
        optimizer.step()
        optimizer.zero_grad()


def main(zero: int, rank: int, port: str) -> None:
    """One rank; prints how far its adapters are from the plain loop's and from their start, and rows evaluated."""
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1"}
    os.environ |= {"MASTER_PORT": port, "DS_ACCELERATOR": "cpu"}
    import deepspeed
    import torch
    from tiny_models import some_ids

    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    deepspeed.init_distributed(dist_backend="gloo", verbose=False)
    packs, group_B = some_ids(4, 12), torch.arange(len(ROLES))

    def make_optimizer(values):
        return torch.optim.SGD(values, lr=1.0, momentum=0.9)  # Adam would blow up the rounding of small gradients

    def loss_of(logits_BTV):
        return logits_BTV.square().mean(dim=(1, 2)).sum()

    plain, start, stack = stack_of_roles(), stack_of_roles(), stack_of_roles()
    plain.set_groups(group_B)
    stepped(
        plain,
        make_optimizer,
        lambda step: sum(loss_of(plain.model(input_ids=packs[list(ROWS[2 * step + at])]).logits) for at in range(2)),
    )
    stack.gradient_checkpointing_enable({"use_reentrant": False})
    config = {
        "train_batch_size": 6,
        "train_micro_batch_size_per_gpu": 3,
        "steps_per_print": 1 << 60,
        "zero_allow_untested_optimizer": True,
        "zero_optimization": {"stage": zero},
    }
    optimizer = make_optimizer([value for value in stack.parameters() if value.requires_grad])
    engine, *_ = deepspeed.initialize(model=stack, optimizer=optimizer, config=config, dist_init_required=False)
    stack.set_groups(group_B)
    for step in range(2):
        loss = loss_of(engine(input_ids=packs[list(ROWS[2 * step + rank])], use_cache=False).logits)
        engine.backward(loss * 2)  # DeepSpeed averages over ranks
        engine.step()
    apart = moved = 0.0
    for name in ROLES:
        wanted, first = plain.role_parameters(name), start.role_parameters(name)
        for key, value in stack.role_parameters(name).items():
            with deepspeed.zero.GatheredParameters([value], enabled=hasattr(value, "ds_id")), torch.no_grad():
                apart = max(apart, float((value - wanted[key]).abs().max()))
                moved = max(moved, float((value - first[key]).abs().max()))
    engine.eval()
    with torch.no_grad():
        rows = len(engine(input_ids=packs[list(ROWS[rank])], use_cache=False).logits)
    print(json.dumps({"apart": apart, "moved": moved, "rows": rows}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
