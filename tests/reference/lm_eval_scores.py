"""Scores of lm-evaluation-harness on a folder of exported tasks: run in a process of its own, so that a missing or
broken installation of it is seen without being imported here.

    python lm_eval_scores.py MODEL TASKS OUT     prints nothing; OUT: {task: {"acc": ..., "nats": {id: [nats, ...]}}}"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def main(model: str, tasks: Path, out: Path) -> None:
    from lm_eval.evaluator import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    os.chdir(tasks)
    harness = HFLM(pretrained=model, device="cpu", batch_size=8)
    manager = TaskManager(include_path=".", include_defaults=False)
    found = simple_evaluate(harness, tasks=["ontogeny"], task_manager=manager, log_samples=True, bootstrap_iters=0)
    told = {
        name: {
            "acc": found["results"][name]["acc,none"],
            "nats": {
                sample["doc"]["id"]: [-float(answer[0][0]) for answer in sample["resps"]]
                for sample in found["samples"][name]
            },
        }
        for name in found["samples"]
    }
    Path(out).write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]).absolute())
