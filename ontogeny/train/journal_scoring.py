"""The journal at a stage's end: what was hard, by the trunk before the stage and by the trunk now; and its replay.

Legend: B pack, T token, P predicting position, V vocabulary, X hidden state or, where they are all that a model tells,
logits."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ontogeny.core.cursor import Cursor
from ontogeny.core.errors import Fault, RunError
from ontogeny.core.run import disk_faults, write_atomic
from ontogeny.corpus.journal import JOURNAL, Texts, fate_of, ranked, selection_of
from ontogeny.corpus.journal_rows import journal_before, replay_rows
from ontogeny.corpus.layout import NO_TARGET
from ontogeny.corpus.sealed import MEND, REPLAY, Sealed, sealed_rows_of
from ontogeny.corpus.transitions import BookRuns
from ontogeny.corpus.vocabulary import make_encoder
from ontogeny.models.causal import load_model
from ontogeny.models.head import PLAIN_HEADS
from ontogeny.train.journal import Candidates
from ontogeny.train.learner import Learner
from ontogeny.train.ledger import Ledger
from ontogeny.train.playing import write_played
from ontogeny.train.subject import exported_before

JOURNAL_ENTRIES = 200
MAX_SCORED = 2000  # transitions that two trunks are asked about
SCORED_AN_ENTRY = 4  # at the least: what is ranked is to be chosen from more
SCORED_PACKS_FRAC, MIN_SCORED_PACKS = 0.05, 6  # of the stage's packs: a pack costs as much to score as to read
BATCH_TOKENS = 4096
DIGITS = 6  # of nats
Place = tuple[str, int, int, int, int]  # stage, pass, pack, first and last token (not included) of a sentence


def write_journal(learner: Learner, ledger: Ledger, cursor: Cursor) -> None:
    """Writes journal.jsonl of the stage at the cursor, unless it is there, or the stage keeps none. Every rank calls.

    Ranks share out the packs that are scored, and gather. Scored are the candidates of most surprise, as far as they
    stand in a twentieth of the stage's packs (or MIN_SCORED_PACKS); of them a quarter, JOURNAL_ENTRIES at most, become
    entries. Those of earlier stages are carried on behind them, with their surprise under the trunk now."""
    plan, corpus, folder = learner.plan, learner.corpus, ledger.folder(cursor)
    stage = plan.stages[cursor.stage]
    (there,) = ledger.gather([(folder / JOURNAL).is_file()] if ledger.writer else [])
    if stage.journal is None or there:
        return
    heard = Candidates.of_ranks(ledger.gather([ledger.candidates]))
    scored = chosen_to_score(heard.best(), corpus.manifest["stages"][cursor.stage]["packs"])
    earlier = journal_before(ledger.run, stage.number)
    ask = Asked(corpus, ledger, learner.device)
    ours: list[Place] = [(stage.name, cursor.pass_, int(c["pack"]), int(c["first"]), int(c["last"])) for c in scored]
    whole = [(*key, 1, ask.filled(key)) for key in sorted({place[:3] for place in ours})]
    reference = ask.nats(exported_before(plan, cursor, ledger.run) / "model", ours)
    now = ask.nats(folder / "model", [*ours, *whole, *map(place_of, earlier)])
    if ledger.writer:
        tokens = sum(last - first for *_, first, last in whole)
        usual_nats = sum(now[place] * (place[4] - place[3]) for place in whole) / max(1, tokens)
        texts, runs = Texts(corpus, make_encoder(corpus.folder / "tokenizer")), BookRuns(corpus.shard(cursor.stage))
        entries = [
            {"stage": stage.name, "pass": cursor.pass_, **texts.place(runs, candidate)}
            | told_nats(float(candidate["nats"]), reference[place], now[place], usual_nats)
            for candidate, place in zip(scored, ours, strict=True)
        ]
        most = min(JOURNAL_ENTRIES, -(-len(entries) // SCORED_AN_ENTRY))
        entries = [*ranked(entries, selection_of(plan.genome.arm), plan.seed)[:most], *earlier]
        lines = [json.dumps(followed(one, stage.name, now[place_of(one)]), ensure_ascii=False) for one in entries]
        write_atomic(folder / JOURNAL, "".join(line + "\n" for line in lines))
        counts = {"heard": heard.count, "scored": len(scored), "entries": len(entries)}
        ledger.run.event("journal_written", stage=folder.name, **counts)
    ledger.barrier()


def told_nats(read: float, reference: float, now: float, usual: float) -> dict[str, Any]:
    """What an entry tells of its surprise: see corpus/journal.py."""
    read, reference, now, usual = (round(nats, DIGITS) for nats in (read, reference, now, usual))
    told = {"surprise_nats": read, "reference_nats": reference, "now_nats": now}
    return told | {"reducible_nats": round(reference - now, DIGITS), "usual_nats": usual, "surprise_by_stage": []}


def followed(entry: Mapping[str, Any], stage: str, nats: float) -> dict[str, Any]:
    """An entry with its surprise at a stage's end, and what became of it by then."""
    told = {**entry, "surprise_by_stage": [*entry["surprise_by_stage"], [stage, round(nats, DIGITS)]]}
    return told | {"fate": fate_of(told)}


def chosen_to_score(best: np.ndarray, packs: int) -> np.ndarray:
    """The candidates that are scored, best first: MAX_SCORED at most, from a share of the stage's packs."""
    most = max(MIN_SCORED_PACKS, round(SCORED_PACKS_FRAC * packs))
    first_met = np.zeros(len(best), bool)
    first_met[np.unique(best["pack"], return_index=True)[1]] = True
    numbers = {int(pack): number for number, pack in enumerate(best["pack"][first_met])}
    return best[[numbers[int(pack)] < most for pack in best["pack"]]][:MAX_SCORED]


def place_of(entry: Mapping[str, Any]) -> Place:
    """Where an entry's sentence stands in the packs."""
    return entry["stage"], entry["pass"], entry["pack"], entry["first"], entry["last"]


class Asked:
    """What trunks are asked about: sentences in their packs, as they were fed."""

    def __init__(self, corpus: Any, ledger: Ledger, device: torch.device):
        self.corpus, self.ledger, self.device = corpus, ledger, device
        self.index = {stage["name"]: index for index, stage in enumerate(corpus.manifest["stages"])}
        self._sealed: dict[tuple[str, int], Sealed] = {}

    def nats(self, model_folder: Path, places: Sequence[Place]) -> dict[Place, float]:
        """Mean surprise of each sentence under a model, given all of its pack before it; the same on every rank."""
        by_pack: dict[tuple[str, int, int], list[Place]] = {}
        for place in dict.fromkeys(places):
            by_pack.setdefault(place[:3], []).append(place)
        rows = [(max(place[4] for place in mine), key) for key, mine in by_pack.items()]
        batches = packed_by_length(rows, BATCH_TOKENS)
        mine_of_rank = batches[self.ledger.rank :: self.ledger.world]
        found: list[tuple[Place, float]] = []
        if mine_of_rank:
            model = load_model(model_folder).to(self.device)
            for batch in mine_of_rank:
                asked = [by_pack[key] for key in batch]
                ids = [self._ids(key)[: max(place[4] for place in of)] for key, of in zip(batch, asked, strict=True)]
                spans = [[place[3:] for place in of] for of in asked]
                for of, nats in zip(asked, span_nats(model, ids, spans), strict=True):
                    found += zip(of, nats, strict=True)
        return dict(self.ledger.gather(found))

    def filled(self, key: tuple[str, int, int]) -> int:
        """The tokens of a pack before its padding."""
        codes_T = self.corpus.shard(self.index[key[0]]).codes_RT[key[2]]
        return 1 + int(np.flatnonzero(codes_T != NO_TARGET)[-1])

    def _ids(self, key: tuple[str, int, int]) -> np.ndarray:
        """A pack as its stage was fed it."""
        stage, pass_, pack = key
        index = self.index[stage]
        if (stage, pass_) not in self._sealed:
            folder = self.ledger.run.stage_folder(index + 1, stage, pass_)
            self._sealed[stage, pass_] = Sealed(folder, self.corpus, index)
        ids_T = self.corpus.shard(index).ids_RT[pack].astype(np.int64)
        for first, ids in self._sealed[stage, pass_].attempts.get(pack, ()):
            ids_T[first : first + len(ids)] = ids
        return ids_T


def packed_by_length(rows: Iterable[tuple[int, Any]], batch_tokens: int) -> list[list[Any]]:
    """The keys of rows, each with its length, in batches of about so many tokens, the longest first."""
    batches: list[list[Any]] = []
    room = 0
    for length, key in sorted(rows, reverse=True):
        if not batches or room < 1:
            batches.append([])
            room = max(1, batch_tokens // length)
        batches[-1].append(key)
        room -= 1
    return batches


@torch.inference_mode()
def span_nats(model: Any, ids: Sequence[np.ndarray], spans: Sequence[Sequence[tuple[int, int]]]) -> list[list[float]]:
    """Mean surprise, in nats, of the tokens of each span [first, last) of each row; float32, summed in float64.

    Rows are padded on the right, where no token that counts can see."""
    ids_BT = torch.zeros(len(ids), max(map(len, ids)), dtype=torch.long)
    for row, ids_T in enumerate(ids):
        ids_BT[row, : len(ids_T)] = torch.from_numpy(ids_T)
    ids_BT = ids_BT.to(model.device)
    if model.config.model_type in PLAIN_HEADS:  # the head need not see what is not scored
        states_BTX = model.base_model(input_ids=ids_BT, use_cache=False).last_hidden_state
        head = model.get_output_embeddings()
    else:
        states_BTX, head = model(input_ids=ids_BT, use_cache=False).logits, torch.nn.Identity()

    def mean(row: int, first: int, last: int) -> float:
        logits_PV = head(states_BTX[row, first - 1 : last - 1]).float()
        nats_P = torch.nn.functional.cross_entropy(logits_PV, ids_BT[row, first:last], reduction="none")
        return float(nats_P.double().mean())

    return [[mean(row, first, last) for first, last in of_row] for row, of_row in enumerate(spans)]


def seal_replay(ledger: Ledger, corpus: Any, cursor: Cursor, device: torch.device) -> None:
    """Writes the sealed rows of the stage's replay before its first step; later ones read what is there. Rank 0 calls.

    Raises: RunError where steps were lived on rows that are gone."""
    rows = sealed_rows_of(corpus.manifest["stages"][cursor.stage])
    stage, folder = ledger.plan.stages[cursor.stage], ledger.folder(cursor)
    if not rows or (cursor.step and (folder / REPLAY).exists()):
        return
    if cursor.step:
        got = f"no file, at step {cursor.step}"
        raise RunError(Fault("sealed rows are gone.", str(folder / REPLAY), got, f"{rows} rows", MEND))
    entries = journal_before(ledger.run, stage.number)
    selection = selection_of(ledger.plan.genome.arm)
    played = None
    if stage.journal.rewrite:
        trunk = ledger.plan.stages[cursor.stage - 1].name
        texts = Texts(corpus, make_encoder(corpus.folder / "tokenizer"))
        played = write_played(ledger.run, folder, texts, entries, stage.name, trunk, ledger.plan, selection, device)
    made = replay_rows(corpus, cursor.stage, entries, selection, played)
    with disk_faults(folder):
        (folder / REPLAY).parent.mkdir(parents=True, exist_ok=True)
    for name, content in made.files().items():  # what says that all are there comes last
        write_atomic(folder / name, content)
    if not entries:
        told = f"stage '{stage.name}' finds no journal to replay: {rows} rows of earlier packs, by lot, stand for it"
        ledger.run.event("warning", message=told)
    ledger.run.event("replay_sealed", stage=folder.name, rows=rows, entries=len(entries))
