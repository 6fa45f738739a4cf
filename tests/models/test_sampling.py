"""Sampling: what a row says is its own, whatever stands beside it."""

from __future__ import annotations

import pytest
import torch
from tiny_models import FAMILIES, VOCAB, role, some_ids, stir, tiny
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from ontogeny.core.errors import ModelError
from ontogeny.corpus.vocabulary import Encoder
from ontogeny.models import sampling
from ontogeny.models.causal import generator_of
from ontogeny.models.sampling import Draw, Row, TokenKinds, choose, continue_rows, sample_tokens, token_kinds
from ontogeny.models.stacked import build_stack

LINE_ENDS, BLANKS = [7, 8], [8, 9]


def kinds_of(size: int = VOCAB) -> TokenKinds:
    """BOS is 0, two tokens hold a newline, two are blank."""
    masks = torch.zeros(3, size, dtype=torch.bool)
    masks[0, 0] = True
    masks[1, LINE_ENDS] = True
    masks[2, BLANKS] = True
    return TokenKinds(*masks)


def lively(family: str = "llama", seed: int = 7):
    """A tiny model whose distributions are neither flat nor one token."""
    model = tiny(family, seed).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.mul_(6.0)
    return model


def stems_of(lengths, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [[0, *torch.randint(1, VOCAB, (n - 1,), generator=generator).tolist()] for n in lengths]


def plain_loop(model, stem, tokens, seed, temperature, top_p):
    """The slow way: the whole row read again for each token, the nucleus by sorting."""
    ids, generator = list(stem), generator_of(*seed)
    for _ in range(tokens):
        logits_V = model(torch.tensor([ids])).logits[0, -1].double()
        logits_V[[0, *LINE_ENDS]] = -torch.inf
        logits_V = logits_V / temperature
        order = sorted(range(VOCAB), key=lambda id_: -float(logits_V[id_]))
        chances_V, mass, nucleus = logits_V.softmax(0), 0.0, []
        for id_ in order:
            if mass >= top_p:
                break
            nucleus.append(id_)
            mass += float(chances_V[id_])
        noise_V = -(-torch.rand(VOCAB, dtype=torch.float64, generator=generator).log()).log()
        ids.append(max(nucleus, key=lambda id_: float(logits_V[id_] + noise_V[id_])))
    return ids[len(stem) :]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_says_what_the_plain_loop_says(family):
    model, counts = lively(family), [9, 1, 12, 0, 5]
    stems, seeds = stems_of([3, 17, 8, 4, 30]), [(5, "school", f"scene-{i}") for i in range(5)]
    told = sample_tokens(model, stems, counts, seeds, kinds_of(), temperature=0.9, top_p=0.8)
    with torch.inference_mode():
        slow = [plain_loop(model, *one, 0.9, 0.8) for one in zip(stems, counts, seeds, strict=True)]
    assert told == slow and len({id_ for ids in told for id_ in ids}) > 8
    assert list(map(len, told)) == counts and not {0, *LINE_ENDS} & {id_ for ids in told for id_ in ids}


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_alone_or_among_many(family, monkeypatch):
    monkeypatch.setattr(sampling, "BATCH_TOKENS", 300)
    stack = build_stack(lively(family), {"student": role(), "critic": role(2, 8, "all", "top-half")}, 3).eval()
    stir(stack)
    lengths = [3 + 7 * (i % 5) for i in range(24)]
    rows = [
        Row(stem, 10 + i % 3, (1, i), i % 3 - 1) for i, stem in enumerate(stems_of(lengths))
    ]  # groups -1, 0 and 1 in one batch
    draw = Draw(kinds_of(), True)
    many = continue_rows(stack, rows, draw)
    alone = [continue_rows(stack, [row], draw)[0] for row in rows]
    assert [said.ids for said in many] == [said.ids for said in alone]
    assert all(a.nats == pytest.approx(b.nats, abs=1e-4) for a, b in zip(many, alone, strict=True))
    assert [said.ids for said in continue_rows(stack, rows[::-1], draw)][::-1] == [said.ids for said in many]
    assert len({tuple(said.ids) for said in many}) == len(rows)
    assert any(said.ended for said in many) and not all(said.ended for said in many)


def test_each_row_speaks_with_its_own_adapter():
    stack = build_stack(lively(), {"student": role(), "critic": role()}, 3).eval()
    stir(stack, 0.5)
    rows = [Row(stem, 8, ("same",), group) for stem in stems_of([6]) for group in (-1, 0, 1)]
    told = [said.ids for said in continue_rows(stack, rows, Draw(kinds_of(), False))]
    bare = sample_tokens(lively(), stems_of([6]), [8], [("same",)], kinds_of())
    assert told[0] == bare[0] and len({tuple(ids) for ids in told}) == 3


def test_a_close_choice_is_left_to_the_row_alone(monkeypatch):
    """A batch whose logits are off by more than float32 would be: with a TIE that covers it, nothing changes."""
    model, honest = lively(), sampling._read
    stems, seeds = stems_of([5, 9, 13]), [(2, i) for i in range(3)]
    want = sample_tokens(model, stems, [20] * 3, seeds, kinds_of())

    def shaken(model, groups, ids_BT, *further):
        logits_BV, cache = honest(model, groups, ids_BT, *further)
        if len(groups) > 1 or further[-1] is not None:
            logits_BV = logits_BV + 0.1 * torch.sin(torch.arange(VOCAB) * (1 + len(ids_BT)))
        return logits_BV, cache

    monkeypatch.setattr(sampling, "_read", shaken)
    assert sample_tokens(model, stems, [20] * 3, seeds, kinds_of()) != want
    monkeypatch.setattr(sampling, "TIE", 0.5)
    assert sample_tokens(model, stems, [20] * 3, seeds, kinds_of()) == want


@pytest.mark.parametrize("top_p", [0.3, 0.95, 1.0])
def test_tokens_come_as_often_as_the_nucleus_says(top_p):
    logits_V = torch.tensor([2.0, 1.5, 1.5, 0.0, -1.0, -torch.inf], dtype=torch.float64)
    chances_V = logits_V.softmax(0)
    kept_V = torch.tensor([float(chances_V[logits_V > one].sum()) < top_p for one in logits_V])
    wanted_V = chances_V * kept_V / (chances_V * kept_V).sum()
    generator, counts_V = torch.Generator().manual_seed(1), torch.zeros(6)
    for _ in range(6000):
        noise_V = -(-torch.rand(6, dtype=torch.float64, generator=generator).log()).log()
        counts_V[choose(logits_V, noise_V, top_p)[0]] += 1
    assert torch.allclose(counts_V / 6000, wanted_V.float(), atol=0.025) and counts_V[5] == 0


@pytest.mark.parametrize(
    ("logits", "top_p", "sure"),
    [
        ([1.0, 0.0, -3.0], 0.95, True),
        ([1.0, 1.0 - 1e-4, -3.0], 0.95, False),  # two by score
        ([2.0, 0.0, 0.0], 0.7869, False),  # 0.78699 of the mass on the first: is the second in?
    ],
)
def test_a_choice_knows_when_it_is_close(logits, top_p, sure):
    noise_V = torch.zeros(3, dtype=torch.float64)
    if logits[1] == 0.0 and logits[2] == 0.0:
        noise_V[1] = 5.0
    assert choose(torch.tensor(logits, dtype=torch.float64), noise_V, top_p)[1] is sure


def test_a_line_holds_a_word_before_it_ends():
    model = lively()
    rows = [Row(stem, 30, (3, i)) for i, stem in enumerate(stems_of([4] * 40))]
    for said in continue_rows(model, rows, Draw(kinds_of(), True)):
        ends = [at for at, id_ in enumerate(said.ids) if id_ in LINE_ENDS]
        assert ends == ([len(said.ids) - 1] if said.ended else []) and (said.ended or len(said.ids) == 30)
        assert not said.ended or any(id_ not in BLANKS for id_ in said.ids[:-1])


def test_the_surprise_is_the_model_s_own():
    model = lively()
    stem, said = stems_of([6])[0], continue_rows(lively(), [Row(stems_of([6])[0], 7, (1,))], Draw(kinds_of(), False))[0]
    with torch.inference_mode():
        logits_TV = model(torch.tensor([stem + said.ids])).logits[0].log_softmax(-1)
    nats = [-float(logits_TV[len(stem) - 1 + at, id_]) for at, id_ in enumerate(said.ids)]
    assert said.nats == pytest.approx(nats, abs=1e-5)


def test_a_long_stem_keeps_its_first_id_and_its_last():
    model, stem = lively(), [0, *some_ids(1, 90)[0].tolist()]
    cut = [stem[0], *stem[-(64 - 10 - 1) :]]
    assert sample_tokens(model, [stem], [10], [(1,)], kinds_of()) == sample_tokens(
        model, [cut], [10], [(1,)], kinds_of()
    )
    short = [stem[0], *stem[-(32 - 10 - 1) :]]
    told = sample_tokens(model, [stem], [10], [(1,)], kinds_of(), context_tokens=32)
    assert told == sample_tokens(model, [short], [10], [(1,)], kinds_of())
    with pytest.raises(ModelError, match="no room to speak"):
        sample_tokens(model, [stem], [63], [(1,)], kinds_of())


def test_a_model_that_is_not_finite_is_told():
    model = lively()
    model.lm_head.weight.data[3] = torch.nan
    with pytest.raises(ModelError, match="not finite"):
        sample_tokens(model, stems_of([4]), [2], [(1,)], kinds_of())


def test_a_vocabulary_s_kinds():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<|end|>", "<|pad|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(["one two  three\n\nfour\none two  three\n\n"] * 3, trainer)
    kinds = token_kinds(Encoder(tokenizer, 0, tokenizer.get_vocab_size()))
    assert kinds.is_special_V.nonzero()[:, 0].tolist() == [0, 1]
    ends = {tokenizer.id_to_token(int(id_)) for id_ in kinds.is_line_end_V.nonzero()}
    assert {"Ċ", "ĊĊ"} <= ends and all("Ċ" in end for end in ends)
    assert kinds.is_blank_V[tokenizer.token_to_id("Ġ")] and not kinds.is_blank_V[tokenizer.token_to_id("o")]


def test_rows_that_stand_for_no_token_are_never_said():
    model = lively()
    told = sample_tokens(model, stems_of([4] * 6), [20] * 6, [(i,) for i in range(6)], kinds_of(60))
    assert max(max(ids) for ids in told) < 60
