"""What a life exports, in the hands of plain transformers and plain PEFT."""

from __future__ import annotations

import itertools
import json

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from ontogeny.core.genome import resolved_genome
from ontogeny.core.hashes import file_sha256
from ontogeny.core.plan import ModelFacts, World, make_plan
from ontogeny.core.schedule import make_schedule
from ontogeny.corpus.rows import Corpus
from ontogeny.corpus.sealed import Sealed
from ontogeny.models.adapters import adapter_state
from ontogeny.models.causal import load_model
from ontogeny.models.stacked import build_stack
from ontogeny.train.losses import token_nats, weighted_loss
from ontogeny.train.optimizer import BETAS
from tests.launch.lives import call, read_json, relative_l2

ROLES = ("student", "teacher", "critic", "reformulator")
STAGES = ("01-primer", "02-lexicon")
CLOSE = 1e-5


@pytest.fixture(scope="module")
def ids_BT(grown):
    """Two packs of the grown life's own books."""
    corpus = Corpus(grown / "corpus")
    return torch.from_numpy(corpus.batch(1, "books", 0).ids_BT[:2]).long()


def plain(folder):
    return AutoModelForCausalLM.from_pretrained(folder).eval()


@torch.inference_mode()
def logits(model, ids_BT):
    return model(input_ids=ids_BT).logits


@pytest.mark.parametrize("stage", STAGES)
def test_plain_peft_gives_the_logits_of_our_stack(grown, ids_BT, stage):
    folder = grown / "stages" / stage
    specs = resolved_genome(grown / "genome.yaml").stages[STAGES.index(stage)].roles
    inherit = {role: adapter_state(folder / "adapters" / role) for role in ROLES}
    stack = build_stack(load_model(folder / "model"), {role: specs[role] for role in ROLES}, 7, inherit).eval()
    bare = logits(plain(folder / "model"), ids_BT)
    for slot, role in enumerate(ROLES):
        stack.set_groups(torch.full((len(ids_BT),), slot))
        ours = logits(stack, ids_BT)
        theirs = logits(PeftModel.from_pretrained(plain(folder / "model"), folder / "adapters" / role), ids_BT)
        assert float((ours - theirs).abs().max()) <= CLOSE
        assert float((theirs - bare).abs().max()) > 1e-3, "the adapter does something"
    stack.set_groups(torch.full((len(ids_BT),), -1))
    assert float((logits(stack, ids_BT) - bare).abs().max()) <= CLOSE


@pytest.mark.parametrize("stage", ("00-conception", *STAGES))
def test_the_exported_tokenizer_is_the_corpus_own(grown, stage):
    tokenizer = AutoTokenizer.from_pretrained(grown / "stages" / stage / "model")
    text = json.loads((grown / "corpus/primer/heldout.jsonl").read_text().splitlines()[0])["text"]
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids) == text
    assert len(tokenizer) == read_json(grown, "corpus/manifest.json")["tokenizer"]["vocab_size"]


def test_every_adapter_learned_and_each_something_else(grown):
    for stage in STAGES:
        for role in ROLES:
            state = adapter_state(grown / "stages" / stage / "adapters" / role)
            assert all(float(value.norm()) > 0 for name, value in state.items() if name.endswith(".B"))
            config = read_json(grown, f"stages/{stage}/adapters/{role}/adapter_config.json")
            base = file_sha256(grown / "stages" / stage / "model" / "model.safetensors")
            assert config["base_model_name_or_path"] == f"sha256:{base}"
        for one, other in itertools.combinations(ROLES, 2):
            assert far(grown, f"{stage}/adapters/{one}", f"{stage}/adapters/{other}") > 0.5
    for role in ROLES:  # inherit: continue
        assert 1e-3 < far(grown, f"01-primer/adapters/{role}", f"02-lexicon/adapters/{role}") < 0.5


def far(run, one: str, other: str) -> float:
    paths = (run / "stages" / name / "adapter_model.safetensors" for name in (one, other))
    return relative_l2(*paths)


@pytest.mark.parametrize("role", ROLES)
def test_an_adapter_is_what_plain_peft_makes_of_that_roles_rows_alone(grown, role):
    """The first stage's roles phase again, by transformers, PEFT and torch: this role's rows, and nobody else's."""
    corpus, folder = Corpus(grown / "corpus"), grown / "stages" / "01-primer"
    spec = resolved_genome(grown / "genome.yaml").stages[0].roles[role]
    start = {
        name: value.detach().clone()
        for name, value in build_stack(plain(folder / "model"), {role: spec}, 7).role_parameters(role).items()
    }
    exported = adapter_state(folder / "adapters" / role)
    modules = sorted({name.rpartition(".")[0] for name in exported})
    model = get_peft_model(
        plain(folder / "model"), LoraConfig(r=spec.rank, lora_alpha=spec.alpha, target_modules=modules)
    ).train()
    learning = {
        name: model.get_parameter(f"base_model.model.{name[:-2]}.lora_{name[-1]}.default.weight") for name in exported
    }
    with torch.no_grad():
        for name, parameter in learning.items():
            parameter.copy_(start[name])
    optimizer = torch.optim.AdamW(learning.values(), betas=BETAS, weight_decay=spec.weight_decay)
    schedule = make_schedule(spec, corpus.phase_steps(0, "roles"))
    for batch in corpus.batches(0, "roles", sealed=Sealed(folder, corpus, 0)):  # with the attempts of its own
        mine_B = batch.group_B == ROLES.index(role)
        ids_BT = torch.from_numpy(batch.ids_BT[mine_B]).long()
        weights_BT = torch.from_numpy(batch.weights_BT[mine_B])
        loss = weighted_loss(token_nats(model(input_ids=ids_BT).logits, ids_BT), weights_BT, weights_BT.sum())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learning.values(), spec.clip_norm)
        optimizer.param_groups[0]["lr"] = schedule.rate(batch.step)
        optimizer.step()
    square = sum(float((learning[name].detach() - exported[name]).pow(2).sum()) for name in exported)
    assert (square / sum(float(value.pow(2).sum()) for value in exported.values())) ** 0.5 <= CLOSE


def test_the_trunk_moves_with_the_books_and_not_with_the_roles(grown):
    """Each stage's trunk differs from the one before; the one that roles were trained on is the one exported."""
    trunks = [grown / "stages" / stage / "model" / "model.safetensors" for stage in ("00-conception", *STAGES)]
    assert all(relative_l2(one, other) > 0.01 for one, other in itertools.pairwise(trunks))


def test_export_of_model_role_and_merged(grown, tmp_path, ids_BT):
    source = grown / "stages" / "02-lexicon"
    words = ("export", grown, "--stage", "lexicon")
    call(*words, "--out", tmp_path / "model")
    call(*words, "--role", "critic", "--out", tmp_path / "critic")
    call(*words, "--role", "critic", "--merge", "--out", tmp_path / "merged")
    assert torch.equal(logits(plain(tmp_path / "model"), ids_BT), logits(plain(source / "model"), ids_BT))
    applied = logits(PeftModel.from_pretrained(plain(tmp_path / "model"), tmp_path / "critic"), ids_BT)
    assert float((logits(plain(tmp_path / "merged"), ids_BT) - applied).abs().max()) <= CLOSE
    assert (
        load_file(tmp_path / "merged" / "model.safetensors").keys()
        == load_file(tmp_path / "model" / "model.safetensors").keys()
    )
    assert len(AutoTokenizer.from_pretrained(tmp_path / "merged")) == 1024
    assert "not empty" in call(*words, "--out", tmp_path / "model", code=2).stderr


def test_the_plan_that_ranks_make_again_is_the_plan_that_is_written(grown):
    written, manifest = read_json(grown, "plan.json"), read_json(grown, "corpus/manifest.json")
    plan = make_plan(
        resolved_genome(grown / "genome.yaml"),
        None,
        World(**written["world"]),
        ModelFacts(**written["model"]),
        manifest,
    ).as_dict()
    assert list(plan["roles"]) == manifest["roles"] == list(ROLES)
    for stage, other in zip(plan["stages"], written["stages"], strict=True):
        assert {key: stage[key] for key in stage if key != "scenes"} == {
            key: other[key] for key in other if key != "scenes"
        }
    assert plan["genome_hash"] == written["genome_hash"] and plan["corpus_hash"] == written["corpus_hash"]
