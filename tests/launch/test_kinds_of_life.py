"""Lives of other kinds than the sprout's own: each keeps what the design promises of it, and its order is proven."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ontogeny.cli.verify import verified
from ontogeny.core.run import RunDirectory
from ontogeny.core.schedule import Schedule
from ontogeny.models.adapters import adapter_state
from tests.launch.lives import (
    SPROUT,
    assert_equal_lives,
    call,
    events,
    kill_all,
    metrics,
    prepare,
    prepared_copy,
    read_json,
    relative_l2,
    start,
    wait_for,
)

CLOSE = 1e-5
EVERY_STEP = "machine.log_every_steps=1"
LORA = ("trunk.update=lora", "trunk.rank=4", "trunk.alpha=8")


def live(run: Path, *overrides: str, code: int = 0) -> Path:
    """A life of the sprout with overrides, on one rank without a launcher; its proof holds."""
    prepare(run, *overrides)
    call("train", run, code=code)
    assert read_json(run, "outcome.json")["exit_code"] == code
    assert verified(RunDirectory(run))[1] == []
    return run


def weights(run: Path, stage: str) -> dict[str, torch.Tensor]:
    """An exported trunk."""
    return load_file(run / "stages" / stage / "model" / "model.safetensors")


def adapter(run: Path, stage: str, role: str) -> dict[str, torch.Tensor]:
    """An exported adapter, by stacked names."""
    return adapter_state(run / "stages" / stage / "adapters" / role)


def optimizer_steps(run: Path) -> set[int]:
    """How many steps the trunk's optimizer remembers in the newest checkpoint that holds it (ZeRO 0, float32)."""
    folder = next(path for path in reversed(RunDirectory(run).checkpoints()) if (path / "trunk").is_dir())
    state = torch.load(folder / "trunk/engine/mp_rank_00_model_states.pt", weights_only=False)
    return {int(one["step"]) for one in state["optimizer"]["state"].values()}


def steps_of(run: Path, stage: int) -> int:
    """Trunk steps of one pass of a stage, replay included."""
    phases = read_json(run, "plan.json")["stages"][stage]["phases"]
    return phases["books"]["steps"] + phases["replay"]["steps"]


def assert_rates_as_planned(run: Path) -> None:
    """Every logged step of every phase moved at the rate of its schedule in plan.json."""
    for stage in read_json(run, "plan.json")["stages"]:
        for phase, entry in stage["phases"].items():
            schedules = {name: Schedule(**schedule) for name, schedule in entry["schedules"].items()}
            lines = metrics(run, f"{stage['index'] + 1:02d}-{stage['name']}", phase)
            assert [line["step"] for line in lines] == list(range(1, entry["steps"] + 1))
            for line in lines:
                rates = line["lr"] if phase == "roles" else {"trunk": line["lr"]}
                assert rates == {name: schedules[name].rate(line["step"] - 1) for name in schedules}


def test_a_life_in_bf16_with_cosine_and_constant_rates(tmp_path):
    run = live(
        tmp_path / "half",
        "model.precision=bf16",
        EVERY_STEP,
        "stages.0.trunk.schedule=cosine",
        "stages.1.trunk.schedule=constant",
        "stages.1.roles.critic.schedule=constant",
    )
    for stage in ("00-conception", "01-primer", "02-lexicon"):
        assert {value.dtype for value in weights(run, stage).values()} == {torch.bfloat16}
    assert {value.dtype for value in adapter(run, "02-lexicon", "critic").values()} == {torch.float32}
    assert_rates_as_planned(run)
    falling = [line["lr"] for line in metrics(run, "01-primer", "books")]
    assert falling == sorted(falling, reverse=True) and falling[-1] == pytest.approx(5e-4)
    assert {line["lr"] for line in metrics(run, "02-lexicon", "books")} == {5e-3}
    assert {line["lr"]["critic"] for line in metrics(run, "02-lexicon", "roles")} == {2e-3}
    losses = [line["loss_nats"] for line in metrics(run, "01-primer", "books")]
    assert losses[-1] < losses[0] - 0.5


def rank_of(change_OI: torch.Tensor) -> int:
    """How many directions a change of a matrix has, beyond rounding."""
    sizes = torch.linalg.svdvals(change_OI.double())
    return int((sizes > 1e-4 * sizes[0]).sum())


def test_a_trunk_that_learns_by_lora_is_merged_and_begins_again(tmp_path):
    run = live(tmp_path / "lora", *LORA, "machine.save_every_steps=1000")  # the two newest: replay's end, roles' end
    before = weights(run, "00-conception")
    for stage in ("01-primer", "02-lexicon"):
        after = weights(run, stage)
        assert after.keys() == before.keys()
        moved = {name for name in after if not torch.equal(after[name], before[name])}
        assert moved == {name for name in after if "_proj.weight" in name}, "adapters sit on every linear module"
        assert {rank_of(after[name] - before[name]) for name in moved} == {4}
        before = after
    first = weights(run, "00-conception")
    assert all(rank_of(before[name] - first[name]) == 8 for name in moved), "two adapters, the second a fresh one"
    assert optimizer_steps(run) == {steps_of(run, 1)}
    newest = RunDirectory(run).checkpoints()[-1]
    assert not (newest / "trunk").exists(), "merged: nothing of the trunk's optimizer lives on"
    for stage in ("01-primer", "02-lexicon"):
        lines = metrics(run, stage, "books")
        assert lines[-1]["loss_nats"] < lines[0]["loss_nats"]


def kill_in(run: Path, **place: object) -> None:
    """Walks the run and kills it -9 as soon as it enters a phase, or has left a checkpoint in it."""
    name = "checkpoint" if "step" in place else "phase_entered"
    since = len(events(run))

    def there() -> bool:
        return any(event["event"] == name and place.items() <= event.items() for event in events(run)[since:])

    child = start("train", run)
    assert wait_for(there, child, str(place)), f"ended before {place}"
    kill_all(run)
    child.wait()


def test_lora_in_bf16_killed_ends_in_the_same_bytes(tmp_path):
    whole = live(tmp_path / "whole", *LORA, "model.precision=bf16")
    killed = prepared_copy(whole, tmp_path / "killed")
    kill_in(killed, stage="primer", phase="books", step=5)
    kill_in(killed, stage="lexicon", phase="replay")
    call("train", killed)
    assert_equal_lives(whole, killed)


def test_a_fresh_optimizer_and_roles_that_continue_or_begin_anew(tmp_path, grown):
    still = "learning_rate=1.0e-9"  # so an adapter stays where the stage found it
    run = live(
        tmp_path / "anew",
        "trunk.transition=fresh_optimizer",
        f"stages.1.roles.student.{still}",
        f"stages.1.roles.teacher.{still}",
        "stages.1.roles.teacher.inherit=fresh",
    )
    assert optimizer_steps(run) == {steps_of(run, 1)}
    assert optimizer_steps(grown) == {steps_of(grown, 0) + steps_of(grown, 1)}, "fresh_schedule keeps its state"
    assert weights(run, "01-primer").keys() == weights(grown, "01-primer").keys()
    for name, value in weights(run, "01-primer").items():
        assert torch.equal(value, weights(grown, "01-primer")[name]), "the transition comes later"
    model = "stages/02-lexicon/model/model.safetensors"
    assert relative_l2(run / model, grown / model) > 1e-3
    carried, begun = adapter(run, "02-lexicon", "student"), adapter(run, "02-lexicon", "teacher")
    for name, value in adapter(run, "01-primer", "student").items():
        assert torch.allclose(carried[name], value, atol=1e-7)
    for name, value in adapter(run, "01-primer", "teacher").items():
        assert float(begun[name].abs().max()) < 1e-7 if name.endswith(".B") else not torch.allclose(begun[name], value)


def test_a_stage_without_scenes_has_no_roles_and_epochs_read_twice(tmp_path):
    run = live(
        tmp_path / "plain",
        "stages.0.scenes=null",
        "stages.0.span={epochs: 2}",
        EVERY_STEP,
        "stages.0.sections=[{name: a short story, books: [bbe-jonah]}]",
    )
    stage = read_json(run, "corpus/manifest.json")["stages"][0]
    assert stage["scenes"] == {} and stage["role_packs"] == 0
    assert stage["phases"]["roles"]["rows"] == stage["phases"]["roles"]["steps"] == 0
    assert not (run / "stages/01-primer/adapters").exists()
    assert metrics(run, "01-primer", "roles") == []
    records = np.frombuffer((run / "stages/01-primer/consumed.bin").read_bytes(), dtype="V48")
    assert len(records) == stage["phases"]["books"]["rows"] == 2 * stage["packs"]
    digests = [record.tobytes()[16:] for record in records]
    assert digests[: stage["packs"]] == digests[stage["packs"] :], "the second epoch is the first again"
    assert sorted(path.name for path in (run / "stages/02-lexicon/adapters").iterdir()) == [
        "critic",
        "reformulator",
        "student",
        "teacher",
    ]
    subjects = {row["subject"] for row in read_json(run, "stages/01-primer/probes.json")}
    assert subjects == {"trunk"}
    assert_rates_as_planned(run)


@pytest.mark.parametrize("setting", ["machine.activation_checkpointing=true", "machine.micro_batch_packs=1"])
def test_how_a_machine_does_it_changes_no_weight(tmp_path, grown, setting):
    run = live(tmp_path / "other", setting)
    for stage in ("01-primer", "02-lexicon"):
        assert relative_l2(grown / "stages" / stage, run / "stages" / stage) <= CLOSE
        name = f"stages/{stage}/consumed.bin"
        assert (run / name).read_bytes() == (grown / name).read_bytes()


# a second reading of so little text helps where the first was calm
CALM = ("stages.0.loop_loss.margin=0.0", "stages.0.loop_loss.coherence=0.0", "stages.0.trunk.learning_rate=0.002")


def gate(below: float) -> str:
    return f"stages.0.gate={{probe: bits_per_byte, on: primer, below: {below}, otherwise: repeat, max_repeats: 1}}"


@pytest.fixture(scope="module")
def ended(tmp_path_factory) -> Path:
    """A life whose first stage is repeated, and then not let pass."""
    return live(tmp_path_factory.mktemp("gates") / "ended", gate(0.5), EVERY_STEP, *CALM, code=3)


def test_a_gate_repeats_the_stage_and_then_ends_the_life(ended):
    folders = [folder.name for folder in RunDirectory(ended).stage_folders()]
    assert folders == ["00-conception", "01-primer", "01-primer.2"]
    decisions = [read_json(ended, f"stages/{name}/gate.json")["decision"] for name in folders[1:]]
    assert decisions == ["repeat", "end"]
    assert read_json(ended, "outcome.json")["outcome"] == "gate_ended"
    first, second = (
        np.frombuffer((ended / f"stages/{name}/consumed.bin").read_bytes(), dtype="<u4").reshape(-1, 12)
        for name in folders[1:]
    )
    assert set(first[:, 0]) == {1} and set(second[:, 0]) == {2}
    assert np.array_equal(first[:, 1:4], second[:, 1:4]), "the same rows in the same order"
    other = (first[:, 4:] != second[:, 4:]).any(axis=1)
    attempts = [(ended / f"stages/{name}/sealed/attempts.jsonl").read_text() for name in folders[1:]]
    assert attempts[0] != attempts[1] and 0 < other.sum() < len(other), "but for the attempts of each pass's own"
    for phase in ("books", "roles"):
        rates = [[line["lr"] for line in metrics(ended, name, phase)] for name in folders[1:]]
        assert rates[0] == rates[1], "warmed up again"
    losses = [metrics(ended, name, "books")[0]["loss_nats"] for name in folders[1:]]
    assert losses[1] < losses[0] - 0.5, "the second pass goes on from the first"
    assert optimizer_steps(ended) == {2 * steps_of(ended, 0)}
    for role in ("student", "critic"):
        one, other = (adapter(ended, name, role) for name in folders[1:])
        assert any(not torch.equal(one[name], other[name]) for name in one)


def test_a_life_that_a_gate_ended_stays_ended(ended):
    before = {path: path.stat().st_mtime_ns for path in ended.rglob("*") if path.is_file() and path.name[0] != "."}
    for further in ((), ("--resume",)):
        call("run", SPROUT, gate(0.5), EVERY_STEP, *CALM, "--out", ended, *further, code=3)
    after = {path: path.stat().st_mtime_ns for path in ended.rglob("*") if path.is_file() and path.name[0] != "."}
    assert after == before, "nothing was launched, nothing written"


def test_a_repeat_that_passes_goes_on_from_its_second_pass_also_after_a_kill(ended, tmp_path):
    ends = [read_json(ended, f"stages/{name}/gate.json")["value"] for name in ("01-primer", "01-primer.2")]
    assert ends[1] < ends[0]
    run = prepare(tmp_path / "passed", gate(sum(ends) / 2), EVERY_STEP, *CALM)
    kill_in(run, **{"stage": "primer", "pass": 2, "phase": "books", "step": 5})
    call("train", run)
    assert verified(RunDirectory(run))[1] == []
    decisions = [
        read_json(run, f"stages/{name}/gate.json")["decision"] for name in ("01-primer", "01-primer.2", "02-lexicon")
    ]
    assert decisions == ["repeat", "pass", "pass"]
    for name in ("01-primer", "01-primer.2"):
        for file in ("model/model.safetensors", "adapters/student/adapter_model.safetensors", "consumed.bin"):
            assert (run / "stages" / name / file).read_bytes() == (ended / "stages" / name / file).read_bytes()
    assert optimizer_steps(run) == {2 * steps_of(run, 0) + steps_of(run, 1)}
    seen = [
        line["tokens_seen"]
        for name in ("01-primer", "01-primer.2", "02-lexicon")
        for phase in ("books", "replay", "roles")
        for line in metrics(run, name, phase)
    ]
    assert seen == sorted(set(seen)), "tokens_seen counts the whole life"
