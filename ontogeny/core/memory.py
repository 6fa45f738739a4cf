"""Memory of a rank, estimated from the model's shape. An estimate, and called one everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ontogeny.core.schema import Genome
from ontogeny.core.units import GIB

if TYPE_CHECKING:
    from ontogeny.core.plan import ModelFacts, World

MICRO_BUDGET_BYTES = 1 * GIB
MAX_MICRO_PACKS = 16


@dataclass(frozen=True)
class MemoryEstimate:
    """GiB of one rank: weights, gradients, optimizer (float32 moments, masters under bf16), activations."""

    weights_gib: float
    gradients_gib: float
    optimizer_gib: float
    activations_gib: float

    @property
    def total_gib(self) -> float:
        """The sum of the four."""
        return self.weights_gib + self.gradients_gib + self.optimizer_gib + self.activations_gib


def pack_bytes(genome: Genome, model: ModelFacts) -> float:
    """Activations of one pack in training, in bytes: about 34 values of the hidden size a token and layer (2 with
    activation checkpointing), and three float32 copies of the logits."""
    context, wide = genome.model.context_tokens, 2 if genome.model.precision == "bf16" else 4
    kept = 2 if genome.machine.activation_checkpointing else 34
    return context * (model.num_hidden_layers * model.hidden_size * kept * wide + 3 * 4 * model.vocab_size)


def micro_packs(genome: Genome, model: ModelFacts) -> int:
    """Packs of a micro-batch whose activations fit in a GiB, 16 at most."""
    return max(1, min(MAX_MICRO_PACKS, int(MICRO_BUDGET_BYTES // pack_bytes(genome, model))))


def estimate_memory(genome: Genome, world: World, model: ModelFacts, packs: int) -> MemoryEstimate:
    """Memory of a rank in the books phase, by ZeRO stage (Rajbhandari et al. 2019, table 1, with Adam)."""
    half = genome.model.precision == "bf16"
    stage, ranks = genome.machine.zero_stage, world.ranks
    trained = model.parameters if genome.trunk.update == "full" else 0.02 * model.parameters
    weights = model.parameters * (2 if half else 4) / (ranks if stage == 3 else 1)
    gradients = trained * (2 if half else 4) / (ranks if stage >= 2 else 1)
    optimizer = trained * (12 if half else 8) / (ranks if stage >= 1 else 1)
    return MemoryEstimate(weights / GIB, gradients / GIB, optimizer / GIB, packs * pack_bytes(genome, model) / GIB)
