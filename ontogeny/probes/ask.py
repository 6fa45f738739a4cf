"""Probing from outside a life: what a word such as a folder or a Hub id names, and the request it makes.

In a run items, seed and context are the run's; elsewhere they are the general items, SEED, and the model's context."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ontogeny.core.errors import Fault, ModelError
from ontogeny.core.hashes import file_sha256
from ontogeny.core.run import STAGE_FOLDER, RunDirectory
from ontogeny.corpus.general import GENERAL
from ontogeny.corpus.items.all import general_items
from ontogeny.corpus.layout import write_json_lines
from ontogeny.models.adapters import CONFIG, HASH, load_adapter, require_base
from ontogeny.models.causal import open_model
from ontogeny.models.configs import context_limit, make_config
from ontogeny.models.tokenizers import write_pretrained_tokenizer
from ontogeny.probes.battery import PROBES, ProbeRequest
from ontogeny.probes.sets import ITEMS
from ontogeny.probes.suites import Suite, suite_sets

MEASURED = "measured"
SEED = 7
ENDLESS_TOKENS = 2048  # the context of a model whose positions have no end


@dataclass(frozen=True)
class Subject:
    """Whom a word names: the base that is loaded, an adapter on it, the run it stands in and the stage of that."""

    base: str
    adapter: Path | None = None
    run: RunDirectory | None = None
    stage: str | None = None

    @property
    def name(self) -> str:
        """The subject of its rows: trunk, or the adapter's folder."""
        return self.adapter.name if self.adapter else "trunk"

    def load(self, _: Path) -> Any:
        """The model, in evaluation mode."""
        model = open_model(self.base)
        return load_adapter(model, self.adapter, self.name) if self.adapter else model


def find_subject(word: str, base: str = "", adapter: Path | None = None, run: Path | None = None) -> Subject:
    """Whom `word` names: a model's folder, a stage's, an adapter's, a Hub id, package:DIST/PATH.

    `base`: the model an adapter belongs to, where no run tells; `run`: its items are used, instead of those of the run
    that the folder stands in. Raises: ModelError for a folder that is none of them, an adapter of another base."""
    path = Path(word).expanduser()
    if (path / CONFIG).is_file():
        if adapter is not None:
            raise _bad("two adapters are asked for.", word, str(adapter), "one", "leave out --adapter")
        adapter = path
        word = base or _base_of(path, RunDirectory(run) if run else None)
    elif base:
        raise _bad(
            "--base is given to a model that is no adapter.", word, base, f"a folder with {CONFIG}", "leave it out"
        )
    elif path.is_dir() and not (path / "config.json").is_file() and not any(path.glob("*.gguf")):
        if not (path / "model" / "config.json").is_file():
            expected = f"config.json with weights, {CONFIG} of an adapter, or model/ of a stage"
            raise _bad("this is not a model.", word, "a folder without config.json", expected, "correct the path")
        word = str(path / "model")
    if adapter is not None:
        _require_fit(Path(word).expanduser(), adapter)
    place = (adapter or Path(word).expanduser()).absolute()
    directory = RunDirectory(run) if run else _run_of(place)
    return Subject(word, adapter, directory, _stage_of(place, directory))


def measured_of(run: RunDirectory, declared: tuple[str, ...]) -> tuple[Path, tuple[str, ...]]:
    """The folder that holds what a run is probed on, and the stages of it; `declared`: those of the run's own genome.

    A control arm is measured on the held-out material of the genome it belongs to, which stands in RUN/measured: items,
    passages, and the stages they are of (stages.json, a list of names). General text is scored
    as a stage is. Raises: RunError where that is spoiled."""
    stages = run.read_json(f"{MEASURED}/stages.json")
    folder = run / "corpus" if stages is None else run / MEASURED
    general = (GENERAL,) if (folder / GENERAL).is_dir() else ()
    return folder, (*(declared if stages is None else stages), *general)


def request_for(
    subject: Subject,
    folder: Path,
    battery: Sequence[str] | None = None,
    split: str = "test",
    suites: Sequence[Suite] = (),
    language: str = "en",
) -> ProbeRequest:
    """The request of a subject; its tokenizer (and outside a run the general items) are written into `folder`.

    `battery` None: every probe that finds something there. Raises: ModelError if tokenizer or config cannot be read."""
    write_pretrained_tokenizer({"pretrained": subject.base}, folder / "tokenizer")
    config = make_config(SimpleNamespace(base=subject.base, context_tokens=1), 0, None)
    limit = context_limit(config) or ENDLESS_TOKENS
    plan = subject.run.read_json("plan.json") if subject.run else None
    if subject.run and plan is not None:
        items, stages = measured_of(subject.run, tuple(stage["name"] for stage in plan["stages"]))
        seed, context_tokens = plan["seed"], min(limit, plan["context_tokens"])
    else:
        write_json_lines(folder / ITEMS, (item.as_line() for item in general_items(SEED, language)))
        items, stages, seed, context_tokens = folder, (), SEED, limit
    return ProbeRequest(
        model_folder=Path(subject.base),
        corpus_folder=items,
        tokenizer_folder=folder / "tokenizer",
        stages=stages,
        stage=subject.stage,
        battery=PROBES if battery is None else tuple(battery),
        skip_empty=battery is None,
        seed=seed,
        context_tokens=context_tokens,
        splits=(split,),
        further=lambda asked: suite_sets(asked, suites),
        load=subject.load,
    )


def _base_of(adapter: Path, run: RunDirectory | None) -> str:
    """The model an adapter was trained on: its stage's, one of the run with that hash, or what its config names."""
    beside = adapter.absolute().parent.parent / "model"
    if (beside / "config.json").is_file():
        return str(beside)
    named = _named_base(adapter)
    if not named.startswith(HASH):
        return named
    for folder in run.stage_folders() if run else ():
        weights = folder / "model" / "model.safetensors"
        if weights.is_file() and HASH + file_sha256(weights) == named:
            return str(folder / "model")
    raise _bad(
        "the base of an adapter is not known.", str(adapter), named, "the model it was trained on", "give --base"
    )


def _require_fit(base: Path, adapter: Path) -> None:
    if not (adapter / CONFIG).is_file():
        raise _bad("this is not an adapter.", str(adapter), f"no {CONFIG}", "a PEFT folder", "correct --adapter")
    require_base(base, adapter)


def _named_base(adapter: Path) -> str:
    try:
        return str(json.loads((adapter / CONFIG).read_text(encoding="utf-8"))["base_model_name_or_path"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        got = f"{type(error).__name__}: {error}"
        raise _bad(
            "an adapter cannot be read.", f"{adapter / CONFIG}", got, "what PEFT writes", "export it again"
        ) from error


def _run_of(place: Path) -> RunDirectory | None:
    found = next((at for at in place.parents if (at / "plan.json").is_file() and (at / "corpus").is_dir()), None)
    return RunDirectory(found) if found else None


def _stage_of(place: Path, run: RunDirectory | None) -> str | None:
    """The stage whose folder a place stands in; None at conception and outside the run."""
    parts = place.relative_to(run / "stages").parts if run and place.is_relative_to(run / "stages") else ()
    named = STAGE_FOLDER.fullmatch(parts[0]) if parts else None
    return named[2] if named and named[2] != "conception" else None


def _bad(what: str, where: str, got: str, expected: str, fix: str) -> ModelError:
    return ModelError(Fault(what, where, got, expected, fix))
