"""Believable run directories, written by hand in the formats of docs/design/0001: no model was trained for them."""

from __future__ import annotations

import hashlib
import json
import math
import random
from pathlib import Path

STAGES = ("primer", "lexicon", "school")
ROLES = ("student", "teacher", "critic", "reformulator")
STEPS, REPLAYS, ROLE_STEPS, BATCH = 120, 12, 24, 2048
HOSTILE = '<script>window.broken = true; document.title = "broken"</script> said the & teacher\x1b[31m\x00\n\nand "then'
ENTRY = {"primer": (3.61, 2.14, 2.31), "lexicon": (3.74, 3.05, 2.42), "school": (3.66, 3.12, 2.83)}
START = 1_750_000_000.0


def digest(text: str) -> str:
    """A SHA-256 to stand where a real one would."""
    return hashlib.sha256(text.encode()).hexdigest()


def make_run(path: Path, *, stages: int = 3, kind: str = "done", steps: int = STEPS) -> Path:
    """A life of `stages` stages. kind: done, interrupted (in the last stage's books), gate_ended (the last gate failed
    after a repeat), unprobed (in the first stage, nothing measured), failed."""
    path.mkdir(parents=True, exist_ok=True)
    names = [STAGES[place] if place < 3 else f"stage{place + 1}" for place in range(stages)]
    dump(path / "plan.json", make_plan(names, steps))
    (path / "genome.yaml").write_text("name: seedling\nseed: 7\n", "utf-8")
    (path / "corpus").mkdir(exist_ok=True)
    dump(path / "corpus" / "manifest.json", make_manifest(names))
    walk = Walk(path, names, steps)
    walk.event("life_started", genome_hash=digest("genome"), seed=7)
    if kind != "unprobed":
        walk.probe(0, "conception", 1, 0)
    for place, name in enumerate(names):
        last = place == len(names) - 1
        cut = kind == "unprobed" or (last and kind in ("interrupted", "failed"))
        walk.stage(place, name, 1, cut=cut)
        if cut:
            break
        if last and kind == "gate_ended":
            walk.gate(place, name, 1, passed=False, decision="repeat")
            walk.stage(place, name, 2)
            walk.gate(place, name, 2, passed=False, decision="end")
        else:
            walk.gate(place, name, 1, passed=True, decision="pass")
    walk.end({"unprobed": None}.get(kind, kind), names[-1])
    return path


class Walk:
    """Writes what a walk would have written, with a clock of its own."""

    def __init__(self, path: Path, names: list[str], steps: int):
        self.path, self.names, self.steps = path, names, steps
        self.rng, self.now, self.tokens = random.Random(7), START, 0

    def event(self, event: str, **facts) -> None:
        """One line of events.jsonl."""
        with open(self.path / "events.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps({"time": round(self.now, 3), "event": event, **facts}) + "\n")

    def folder(self, number: int, name: str, pass_number: int) -> Path:
        """The stage's folder, made."""
        folder = self.path / "stages" / (f"{number:02d}-{name}" + (f".{pass_number}" if pass_number > 1 else ""))
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def stage(self, place: int, name: str, pass_number: int, cut: bool = False) -> None:
        """Three phases, or half of the first one, then the probes."""
        folder = self.folder(place + 1, name, pass_number)
        for phase, count in (("books", self.steps), ("replay", REPLAYS if place else 0), ("roles", ROLE_STEPS)):
            if not count:
                continue
            facts = {"stage": name, "pass": pass_number, "phase": phase}
            self.event("phase_entered", **facts)
            for step in range(5, (count // 2 if cut else count) + 1, 5 if phase != "replay" else 3):
                self.now += 1.4
                line = (
                    self.role_line(place, step, pass_number)
                    if phase == "roles"
                    else self.line(place, step, count, phase)
                )
                append(folder / "metrics.jsonl", {**facts, **line})
            if cut:
                return
            self.event("checkpoint", name="02.01", step=count, **facts)
            if phase == "roles":
                self.event(
                    "adapters_written",
                    stage=name,
                    pass_=pass_number,
                    lora_b_norm={role: round(0.4 + 0.2 * self.rng.random(), 4) for role in ROLES},
                )
        for role in ROLES:
            (folder / "adapters" / role).mkdir(parents=True, exist_ok=True)
        dump(
            folder / "fingerprints.json",
            {
                name: digest(folder.name + name)
                for name in (
                    "model/model.safetensors",
                    *(f"adapters/{role}/adapter_model.safetensors" for role in ROLES),
                )
            },
        )
        self.probe(place + 1, name, pass_number, place + 1)

    def line(self, place: int, step: int, count: int, phase: str) -> dict:
        """A trunk line of metrics.jsonl."""
        self.tokens += BATCH * (5 if phase == "books" else 3)
        start, end, _ = ENTRY.get(self.names[place], (3.5, 2.9, 2.7))
        bits = end + (start - end) * math.exp(-4 * step / count) + self.rng.gauss(0, 0.05)
        if phase == "replay":
            bits = 2.4 + self.rng.gauss(0, 0.04)
        warm, decay = min(1, step / 10), min(1, (count - step + 5) / (0.2 * count))
        return {
            "step": step,
            "tokens_seen": self.tokens,
            "loss_nats": round(bits * 2.4, 4),
            "bits_per_byte": round(bits, 4),
            "lr": 1e-3 * min(warm, 0.1 + 0.9 * decay),
            "grad_norm": round(0.8 + self.rng.random() * 0.2, 4),
            "tokens_per_s": round(8200 + self.rng.gauss(0, 150), 1),
            "time_s": round(self.now - START, 2),
        }

    def role_line(self, place: int, step: int, pass_number: int) -> dict:
        """A line of the roles phase: figures by role."""
        self.tokens += 900
        losses = {
            role: round(5.1 - 0.3 * place - 0.2 * number - 1.1 * (1 - math.exp(-step / 9)) + self.rng.gauss(0, 0.04), 4)
            for number, role in enumerate(ROLES)
        }
        return {
            "step": step,
            "tokens_seen": self.tokens,
            "loss_nats": losses,
            "bits_per_byte": None,
            "lr": dict.fromkeys(ROLES, 2e-4),
            "grad_norm": dict.fromkeys(ROLES, 0.6),
            "tokens": dict.fromkeys(ROLES, 410 * pass_number),
            "tokens_per_s": 6900.0,
            "time_s": round(self.now - START, 2),
        }

    def probe(self, number: int, name: str, pass_number: int, read: int) -> None:
        """probes.json after `read` stages."""
        rows = []
        for place, on in enumerate(self.names):
            start, _, end = ENTRY.get(on, (3.6, 3.0, 2.8))
            value = start + 1.9 * (read == 0) - 0.3 * read if read <= place else end + 0.09 * (read - place - 1)
            for split, shift in (("gate", 0.03), ("test", 0.0)):
                rows.append(row("bits_per_byte", "trunk", on, split, value + shift, 0.07, "bits/byte", None, 38, False))
            score = 0.5 + 0.04 * min(read, place + 1) + 0.08 * (read > place)
            rows += resolution("trunk", on, score)
        if read:
            for place, role in enumerate(ROLES):
                rows += resolution(role, name, 0.6 + 0.05 * place)
        samples = ["And the plant gives water to the air by its leaves, and the air is warm.", HOSTILE]
        rows.append(
            {
                **row("unprompted", "trunk", "empty prompt", None, 0.21, 0.05, "share", None, 8, False),
                "form": "repetition",
                "samples": samples,
            }
        )
        rows.append(
            {
                **row("unprompted", "trunk", "empty prompt", None, 0.83, 0.04, "share", None, 8, True),
                "form": "distinct_2",
                "samples": samples,
            }
        )
        self.now += 2.6
        dump(self.folder(number, name, pass_number) / "probes.json", rows)
        self.event("probes_measured", stage=self.folder(number, name, pass_number).name, rows=len(rows))

    def gate(self, place: int, name: str, pass_number: int, passed: bool, decision: str) -> None:
        """gate.json."""
        bound = 3.2 if passed else 2.0
        rule = f"bits_per_byte of trunk on {name}: worse end of ci95 < {bound}"
        value = ENTRY.get(name, (0, 0, 2.8))[2] + 0.1
        dump(
            self.folder(place + 1, name, pass_number) / "gate.json",
            {
                "stage": name,
                "pass": pass_number,
                "rule": rule,
                "value": value,
                "bound": bound,
                "n": 38,
                "passed": passed,
                "decision": decision,
            },
        )
        self.event("stage_ended", stage=self.folder(place + 1, name, pass_number).name, decision=decision)

    def end(self, kind: str | None, stage: str) -> None:
        """outcome.json and the last event; nothing where the life is still running."""
        if kind is None:
            return
        code = {"done": 0, "failed": 1, "gate_ended": 3, "interrupted": 130}[kind]
        message = {
            "failed": "TrainError: the loss is not finite.\n  where     stage 'school', phase books, step 61, rank 0",
            "gate_ended": f"the gate of {stage} did not pass after 2 passes",
        }.get(kind, "")
        self.event("interrupted" if kind == "interrupted" else "life_ended", outcome=kind)
        dump(
            self.path / "outcome.json",
            {
                "outcome": kind,
                "exit_code": code,
                "stage": stage,
                "message": message,
                "seconds": round(self.now - START, 1),
            },
        )


def resolution(subject: str, on: str, value: float) -> list[dict]:
    """The three forms of conflict_resolution."""
    return [
        {**row("conflict_resolution", subject, on, "test", score, half, unit, chance, 46, True), "form": form}
        for form, score, half, unit, chance in (
            ("sum", value, 0.12, "share", 0.5),
            ("per_byte", value - 0.02, 0.12, "share", 0.5),
            ("margin", value - 0.5, 0.2, "nats/byte", 0.0),
        )
    ]


def row(
    probe: str,
    subject: str,
    on: str,
    split: str | None,
    value: float,
    half: float,
    unit: str,
    chance: float | None,
    n: int,
    higher: bool,
) -> dict:
    """A row of probes.json."""
    return {
        "probe": probe,
        "subject": subject,
        "on": on,
        "split": split,
        "form": "plain",
        "value": round(value, 4),
        "unit": unit,
        "chance": chance,
        "n": n,
        "ci95": [round(value - half, 4), round(value + half, 4)],
        "higher_is_better": higher,
    }


def make_plan(names: list[str], steps: int) -> dict:
    """plan.json, in the words of core/plan.py."""

    def schedule(rate: float, total: int) -> dict:
        return {
            "kind": "warmup_stable_decay",
            "learning_rate": rate,
            "total_steps": total,
            "warmup_steps": total // 20,
            "decay_steps": total // 5,
            "final_frac": 0.1,
        }

    def phase(name: str, rows: int, count: int, schedules: dict, **more) -> dict:
        return {
            "phase": name,
            "rows": rows,
            "steps": count,
            "tokens": rows * 511,
            "root": digest(name) if rows else None,
            "schedules": schedules,
            "rows_by_role": {},
            "tokens_by_role": {},
            **more,
        }

    stages = [
        {
            "index": place,
            "name": name,
            "seeds": {"scenes": 11, "replay": 12, "probes": 13},
            "sections": [["first words", [f"{name}-reader", f"{name}-tales"]], ["plants", [f"{name}-plants"]]],
            "span": {"tokens": 245760},
            "scenes": {"every_tokens": 2000, "kinds": ["conflict", "gap"], "folder": "/some/where/stages"},
            "loop_loss": {"repair": 2.0, "attempt": 0.0},
            "trunk": {"learning_rate": 1e-3, "batch_tokens": 2048, "update": "full", "replay_frac": 0.05},
            "roles": {role: {"rank": 8, "alpha": 16, "learning_rate": 2e-4, "batch_tokens": 2048} for role in ROLES},
            "batch_packs": 4,
            "battery": ["bits_per_byte", "conflict_resolution", "unprompted"],
            "gate": {
                "probe": "bits_per_byte",
                "on": name,
                "subject": "trunk",
                "below": 3.2,
                "otherwise": "repeat",
                "max_repeats": 1,
            },
            "licences": {f"{name}-reader": "MIT", f"{name}-tales": "CC-BY-SA-3.0", f"{name}-plants": "MIT"},
            "phases": {
                "books": phase("books", steps * 4, steps, {"trunk": schedule(1e-3, steps)}),
                "replay": phase(
                    "replay", REPLAYS * 4 * (place > 0), REPLAYS * (place > 0), {"trunk": schedule(1e-3, REPLAYS)}
                ),
                "roles": phase(
                    "roles",
                    96,
                    ROLE_STEPS,
                    {role: schedule(2e-4, ROLE_STEPS) for role in ROLES},
                    rows_by_role=dict.fromkeys(ROLES, 24),
                    tokens_by_role=dict.fromkeys(ROLES, 2110),
                ),
            },
        }
        for place, name in enumerate(names)
    ]
    return {
        "name": "seedling",
        "genome_hash": digest("genome"),
        "seed": 7,
        "language": "en",
        "context_tokens": 512,
        "tokenizer": {"train": "bpe", "vocab_size": 4096},
        "roles": list(ROLES),
        "model": {
            "parameters": 2_557_000,
            "hidden_size": 192,
            "layers": 4,
            "heads": 4,
            "vocab_size": 4096,
            "max_context_tokens": None,
            "architecture": "llama",
        },
        "world": {"ranks": 1, "threads_per_rank": 2, "device": "cpu"},
        "micro_batch_packs": 4,
        "role_micro_batch_packs": 4,
        "stages": stages,
        "estimate": False,
        "corpus_hash": digest("corpus"),
        "machine": {"zero_stage": 0, "ranks": 1},
        "precision": "fp32",
        "base": "scratch",
        "trained_tokens": 787_000,
        "warnings": ["licences that restrict what may be done with the model's text: CC-BY-SA-3.0"],
    }


def make_manifest(names: list[str]) -> dict:
    """corpus/manifest.json."""
    books = [
        {
            "id": f"{name}-{book}",
            "title": f"The {name} {book} | a book",
            "source": f"package:books/{name}/{book}.txt",
            "licence": licence,
            "raw_sha256": digest(name + book),
            "fingerprint": digest(book + name),
            "characters": 210_000,
            "bytes": 214_000,
            "cuts": [],
            "chapters": 12,
        }
        for name in names
        for book, licence in (("reader", "MIT"), ("tales", "CC-BY-SA-3.0"), ("plants", "MIT"))
    ]
    stages = [
        {
            "name": name,
            "books": [{"id": f"{name}-{book}", "tokens": 61_000} for book in ("reader", "tales", "plants")],
            "packs": 480,
            "tokens": 244_100,
            "padding_tokens": 1_660,
            "utilisation": 0.9932,
            "bytes": 990_000,
            "scenes": {"conflict": 9, "gap": 61},
            "warnings": [],
            "phases": {
                "books": {"rows": 480, "steps": 120, "tokens": 244_100, "root": digest(name + "books")},
                "replay": {
                    "rows": 48 * (place > 0),
                    "steps": 12,
                    "tokens": 24_000,
                    "root": digest(name + "replay"),
                    "list": [],
                },
                "roles": {
                    "rows": 96,
                    "steps": 24,
                    "tokens": 8_440,
                    "root": digest(name + "roles"),
                    "rows_by_role": dict.fromkeys(ROLES, 24),
                    "tokens_by_role": dict.fromkeys(ROLES, 2_110),
                },
            },
            "held_out": {
                split: {"passages": 38, "bytes": 14_000, "tokens": 3_900} for split in ("gate", "search", "test")
            },
            "items": {"gate": 41, "search": 40, "test": 46},
        }
        for place, name in enumerate(names)
    ]
    return {
        "version": 3,
        "corpus_hash": digest("corpus"),
        "language": "en",
        "context_tokens": 512,
        "tokenizer": {"fingerprint": digest("tokenizer"), "vocab_size": 4096, "bytes_per_token": 3.41},
        "books": books,
        "stages": stages,
    }


def dump(path: Path, value: object) -> None:
    """A JSON file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1), "utf-8")


def append(path: Path, value: object) -> None:
    """A line of a JSON-lines file."""
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(value) + "\n")
