"""Where a life is."""

from __future__ import annotations

from dataclasses import dataclass, replace

TRAINED = ("books", "replay", "roles")
PHASES = (*TRAINED, "measure")
PHASE_CODE = {phase: code for code, phase in enumerate(PHASES)}


@dataclass(frozen=True, order=True)
class Cursor:
    """(stage, pass, phase, step): stage counts from 0, pass from 1, phase indexes PHASES, step is the next one."""

    stage: int = 0
    pass_: int = 1
    phase: int = 0
    step: int = 0

    def after_step(self) -> Cursor:
        """One step on, in the same phase."""
        return replace(self, step=self.step + 1)

    def after_phase(self) -> Cursor:
        """The start of the next phase."""
        return replace(self, phase=self.phase + 1, step=0)

    def after_stage(self, decision: str) -> Cursor:
        """The start of the next stage, or of this stage's next pass where a gate asked for a repeat."""
        if decision == "repeat":
            return Cursor(self.stage, self.pass_ + 1)
        return Cursor(self.stage + 1)

    @property
    def phase_name(self) -> str:
        """books, replay, roles or measure."""
        return PHASES[self.phase]

    def as_dict(self) -> dict[str, int]:
        """The cursor as JSON."""
        return {"stage": self.stage, "pass": self.pass_, "phase": self.phase, "step": self.step}

    @classmethod
    def from_dict(cls, value: dict[str, int]) -> Cursor:
        """The cursor of `as_dict`."""
        return cls(value["stage"], value["pass"], value["phase"], value["step"])
