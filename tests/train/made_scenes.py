"""A corpus of one stage made by hand: scenes with attempts among text, in packs and in the packs of roles."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from ontogeny.corpus.layout import PASSAGE, SCENE, VERSION, code_of, role_weights, trunk_weights, write_json_lines
from ontogeny.corpus.pack import Packer, Part, RowWriter
from ontogeny.corpus.rows import Corpus

ROLES = ["student", "teacher"]
LENGTH, BOS = 200, 0
LOOP_LOSS = {"question": 1.0, "attempt": 0.0, "objection": 1.0, "repair": 2.0}
SCENES = [
    [("teacher", "question", "why?"), ("student", "attempt", "it is blue"), ("student", "repair", "it is red")],
    [("teacher", "question", "how?"), ("student", "attempt", "by day"), ("student", "repair", "by night")],
    [("student", "attempt", "so"), ("teacher", "objection", "no"), ("student", "repair", "yes, it was")],
    [("teacher", "question", "and then?"), ("student", "repair", "no more")],
    [("teacher", "question", "who?"), ("student", "attempt", "the fox did"), ("student", "repair", "a hen")],
]
TEXTS = ["Once there was a fox.\n\n", "It ran.\n\n", "The day was long, and so was the road to the hill.\n\n"]


def byte_tokenizer(folder: Path) -> Tokenizer:
    """A vocabulary of bytes: token 1 + byte, token 0 to begin with."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={"<s>": 0} | {c: 1 + i for i, c in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken("<s>", special=True)])
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"bos_token": "<s>"}), encoding="utf-8")
    return tokenizer


def make_scenes_corpus(folder: Path) -> Corpus:
    """The corpus, on disk as prepare lays it out, as far as the walk reads it."""
    tokenizer = byte_tokenizer(folder / "tokenizer")
    stage = folder / "primer"
    stage.mkdir()
    writers = [
        RowWriter(stage, prefix, LENGTH, np.dtype("<u2"), weights)
        for prefix, weights in (("", trunk_weights(LOOP_LOSS)), ("role_", None))
    ]
    packer, role_packer = (Packer(writer, LENGTH, BOS) for writer in writers)

    def part(text: str, code: int, kind: int, source: int, skip: int = 0) -> Part:
        ids = np.array(tokenizer.encode(text).ids, np.int32)
        return Part(ids, np.full(len(ids), code, np.uint8), kind, source, skip=skip)

    for number in range(2 * len(SCENES)):
        turns, skip = [], 0
        for at, (speaker, span, text) in enumerate(SCENES[number % len(SCENES)]):
            end = "\n\n" if at == len(SCENES[number % len(SCENES)]) - 1 else "\n"
            turn = [part(speaker[0] + ":", 0, SCENE, number, skip)]
            turn += [part(f" {text}{end}", code_of(span, speaker, ROLES), SCENE, number, skip + len(turn[0].ids))]
            skip += sum(len(one.ids) for one in turn)
            turns.append(turn)
        text = [part(TEXTS[number % len(TEXTS)], 0, PASSAGE, 0)]
        packer.add_unit([text, *turns])
        role_packer.add_unit([text, *turns])
        packer.add(part(TEXTS[(number + 1) % len(TEXTS)], 0, PASSAGE, 0))
    packer.close()
    role_packer.close()
    (stage / "digests.bin").write_bytes(b"".join(writers[0].digests))
    write_json_lines(stage / "scenes.jsonl", ({"id": f"scene-{number}"} for number in range(2 * len(SCENES))))
    role_codes_RT = np.fromfile(stage / "role_codes.bin", np.uint8).reshape(-1, LENGTH)
    rows_KR = np.stack([(role_weights(role)[role_codes_RT] > 0).any(axis=1) for role in range(len(ROLES))])
    np.save(stage / "role_rows.npy", rows_KR)
    manifest = _manifest(tokenizer.get_vocab_size(), writers[0].rows, writers[1].rows, int(rows_KR[0].sum()))
    return Corpus(folder, manifest)


def _manifest(vocab_size: int, packs: int, role_packs: int, student_rows: int) -> dict:
    phases = {
        "books": {"rows": packs, "steps": -(-packs // 2)},
        "replay": {"rows": 0, "steps": 0, "list": []},
        "roles": {"rows": student_rows, "steps": 1, "rows_by_role": {"student": student_rows}},
    }
    stage = {"name": "primer", "loop_loss": LOOP_LOSS, "packs": packs, "role_packs": role_packs, "batch_packs": 2}
    stage |= {"book_packs": {}, "span": ["books", 1], "phases": phases}
    return {
        "version": VERSION,
        "context_tokens": LENGTH,
        "ids_dtype": "<u2",
        "roles": ROLES,
        "tokenizer": {"vocab_size": vocab_size, "bos_id": BOS},
        "books": [{"id": "fox"}],
        "stages": [stage],
    }
