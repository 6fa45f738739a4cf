"""Items as task files of lm-evaluation-harness, which scores them to the same numbers: a check from outside.

    cd DIR && lm_eval --model hf --model_args pretrained=MODEL --include_path . --tasks ontogeny

A file NAME.jsonl and a NAME.yaml for each set, ontogeny.yaml for all of them. The query begins with the model's BOS as
text, and the answer carries its own blank, so that the ids are those that our rows have."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ontogeny.core.errors import Fault, RunError
from ontogeny.core.run import disk_faults, place_faults, publish_folder, remove_tree
from ontogeny.probes.battery import CHOICES
from ontogeny.probes.sets import Asked, items_of
from ontogeny.probes.suites import Suite

GROUP = "ontogeny"


def write_lm_eval(asked: Asked, battery: Sequence[str], suites: Sequence[Suite], out: Path) -> list[str]:
    """Writes the choices among the items of these probes and suites; returns what was left out, a line a set.

    Left out are items that fit no row whole (we cut their context, lm-eval would cut BOS) and those whose contexts
    differ from end to end. Raises: RunError if `out` holds files, or where there is nothing to write."""
    out = Path(out).absolute()
    if out.exists() and (out.is_file() or any(out.iterdir())):
        raise RunError(
            Fault(
                "the folder to export to is not empty.",
                str(out),
                "files in it",
                "an absent or empty folder",
                "--export",
            )
        )
    aside = out.with_name(f".{out.name}.tmp")
    remove_tree(aside)
    with place_faults(out), disk_faults(out):
        aside.mkdir(parents=True)
    told, tasks = [], []
    for name, lines in _named(asked, battery, suites):
        kept = [document for line in lines if (document := _document(asked, line)) is not None]
        if len(kept) < len(lines):
            told.append(
                f"export: {name}: {len(lines) - len(kept)} of {len(lines)} items left out, too long or of two contexts"
            )
        if kept:
            tasks.append(name)
            text = "".join(json.dumps(document, ensure_ascii=False) + "\n" for document in kept)
            (aside / f"{name}.jsonl").write_text(text, encoding="utf-8")
            (aside / f"{name}.yaml").write_text(_yaml(_task(name)), encoding="utf-8")
    if not tasks:
        remove_tree(aside)
        what = "there is nothing to export."
        raise RunError(Fault(what, "--export", ", ".join(battery), f"one of {', '.join(CHOICES)}", "name one of them"))
    (aside / f"{GROUP}.yaml").write_text(_yaml({"group": GROUP, "task": tasks}), encoding="utf-8")
    publish_folder(aside, out)
    return told


def _named(
    asked: Asked, battery: Sequence[str], suites: Sequence[Suite]
) -> Iterator[tuple[str, Sequence[Mapping[str, Any]]]]:
    for probe in CHOICES:
        if probe in battery:
            for on, split, lines in items_of(asked, probe):
                yield _name(probe, on, split), lines
    for suite in suites:
        if any(line["foils"] for line in suite.lines):
            yield _name(suite.probe, suite.on), suite.lines


def _name(*parts: str) -> str:
    return re.sub(r"[^0-9A-Za-z_]+", "_", "_".join((GROUP, *parts)))


def _document(asked: Asked, line: Mapping[str, Any]) -> dict[str, Any] | None:
    """The item as a line of a task; the answer's place is drawn from the item's id, so that no tie favours it."""
    ends = [line["answer"], *line["foils"]]
    context, *coded = asked.encoder.encode([line["context"], *ends], str(line["id"]))
    if "contexts" in line or 1 + len(context) + max(map(len, coded)) > asked.context_tokens:
        return None
    order = sorted(range(len(ends)), key=lambda k: hashlib.sha256(f"{line['id']}|{k}".encode()).digest())
    bos = asked.encoder.tokenizer.id_to_token(asked.encoder.bos_id)
    choices = [ends[k] for k in order]
    return {"id": line["id"], "query": bos + line["context"], "choices": choices, "gold": order.index(0)}


def _task(name: str) -> dict[str, Any]:
    metrics = [{"metric": one, "aggregation": "mean", "higher_is_better": True} for one in ("acc", "acc_norm")]
    return {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": f"{name}.jsonl"}},
        "output_type": "multiple_choice",
        "test_split": "test",
        "doc_to_text": "query",
        "doc_to_choice": "choices",
        "doc_to_target": "gold",
        "target_delimiter": "",
        "num_fewshot": 0,
        "metric_list": metrics,
        "metadata": {"version": 1.0},
    }


def _yaml(value: Mapping[str, Any]) -> str:
    """YAML in which every value is JSON, which YAML reads."""
    return "".join(f"{key}: {json.dumps(one, ensure_ascii=False)}\n" for key, one in value.items())
