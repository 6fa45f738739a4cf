"""Gates: may this life go on? A rule over the worse end of a probe's interval."""

from __future__ import annotations

from ontogeny.core.errors import Fault, TrainError
from ontogeny.core.plan import StagePlan
from ontogeny.core.run import RunDirectory
from ontogeny.core.schema import Gate

GATE_SPLIT = "gate"
MEMBER = (
    "member.json"  # in the run directory of a life of an experiment: {experiment, arm, seed, gates: recorded, store}
)


def gates_act(run: RunDirectory) -> bool:
    """Whether a gate may repeat a stage or end the life: not in an experiment, whose lives have to stay comparable, nor
    in a control arm grown alone."""
    is_arm = bool((run.read_json("plan.json") or {}).get("arm"))
    return not is_arm and (run.read_json(MEMBER) or {}).get("gates") != "recorded"


def decide(stage: StagePlan, pass_: int, results: list[dict], acts: bool = True) -> dict:
    """What the stage's gate says: {stage, pass, rule, value, bound, n, passed, decision: pass | repeat | end}.

    The value is the end of the 95 % interval that is worse for passing: the upper end of what must lie below, the
    lower end of what must lie above. A stage without a gate passes. A gate that may not act says under `would` what it
    would have done, and lets the life pass."""
    told = {
        "stage": stage.name,
        "pass": pass_,
        "rule": None,
        "value": None,
        "bound": None,
        "passed": True,
        "decision": "pass",
    }
    if stage.gate is None:
        return told
    gate = stage.gate
    try:
        row = gated_row(gate, results)
    except TrainError as problem:
        if acts:
            raise
        return told | {"rule": f"{gate.probe} of {gate.subject} on {gate.on}", "passed": None, "would": str(problem)}
    worse = row["ci95"][1] if gate.below is not None else row["ci95"][0]
    bound = gate.below if gate.below is not None else gate.above
    passed = worse < bound if gate.below is not None else worse > bound
    sign = "<" if gate.below is not None else ">"
    told |= {
        "rule": f"{gate.probe} of {gate.subject} on {gate.on}: worse end of ci95 {sign} {bound}",
        "value": worse,
        "bound": bound,
        "n": row["n"],
        "passed": passed,
    }
    if not passed:
        repeat = gate.otherwise == "repeat" and pass_ <= gate.max_repeats
        told["decision"] = "repeat" if repeat else "end"
    if not acts:
        told |= {"would": told["decision"], "decision": "pass"}
    return told


def gated_row(gate: Gate, results: list[dict]) -> dict:
    """The measured row a gate looks at: its probe's first form, on the gate split.

    Raises: TrainError when it was not measured (an empty held-out set)."""
    for row in results:
        if (row["probe"], row["subject"], row["on"], row["split"]) == (gate.probe, gate.subject, gate.on, GATE_SPLIT):
            return row
    raise TrainError(
        Fault(
            "a gate's probe was not measured.",
            f"gate on '{gate.on}'",
            f"no row of {gate.probe} for {gate.subject} on the gate split",
            "held-out text of it in the gate split",
            "give the stage more text, or drop the gate",
        )
    )
