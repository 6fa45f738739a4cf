"""Several low-rank adapters on one frozen trunk: each row of a batch belongs to one adapter, or to none.

Shapes: B row, T token, H hidden, K adapter of a module, R rank (the largest of the module's), I inputs, O outputs; G
run of rows of one adapter (or a single row), N tokens of it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from ontogeny.core.errors import Fault, ModelError
from ontogeny.models.causal import generator_of
from ontogeny.models.head import PLAIN_HEADS, FrozenHead
from ontogeny.models.lower import LAYER, LowerLayers

ATTENTION = re.compile(
    r"(^|\.)(\w*attn|\w*attention)\.(\w+\.)*(q_proj|k_proj|v_proj|o_proj|out_proj|qkv_proj|c_attn|c_proj|"
    r"query_key_value|Wqkv|query|key|value|dense)$"
)
MLP = re.compile(
    r"(^|\.)(gate_proj|up_proj|down_proj|gate_up_proj|c_fc|fc_in|fc_out|fc1|fc2|dense_h_to_4h|dense_4h_to_h|"
    r"mlp\.c_proj)$"
)


@dataclass(frozen=True)
class Layout:
    """How the rows of a batch meet the adapters of a module: in `runs` of equally many rows an adapter, in order, or
    each row with a copy of its own. `scale_G`: of each run or row, where `alpha` is not that of all."""

    runs: bool
    index_B: Tensor
    alpha: float
    scale_G: Tensor | None


class RowGroups:
    """Which adapter each row of the coming batch belongs to; one object that every wrapped module looks at."""

    def __init__(self) -> None:
        self.group_B: list[int] = []
        self._layouts: dict[Any, Layout] = {}

    def set(self, group_B: Tensor) -> None:
        """The groups of the next batch."""
        self.group_B, self._layouts = group_B.tolist(), {}

    def layout(self, x: Tensor, slots: tuple[int, ...], scales: tuple[float, ...]) -> Layout:
        """The layout of an input's rows. `slots`: of each group, then of none, K where it has no adapter here."""
        rows = len(self.group_B)
        fits = rows and (len(x) == rows or (x.dim() == 2 and len(x) % rows == 0))
        assert fits, f"{tuple(x.shape)} for {rows} rows: call set_groups before forward"
        key = (slots, scales, x.device)
        if key not in self._layouts:
            self._layouts[key] = _layout([slots[group] for group in self.group_B], scales, x.device)
        return self._layouts[key]


def _layout(slot_B: list[int], scales: tuple[float, ...], device: torch.device) -> Layout:
    count = len(scales)
    each = len(slot_B) // count
    runs = slot_B == [slot for slot in range(count) for _ in range(each)]
    index_B = torch.tensor([min(slot, count - 1) for slot in slot_B], device=device)  # none borrows one, at scale 0
    of_row = scales if runs else [(*scales, 0.0)[slot] for slot in slot_B]
    if len(set(of_row)) == 1:
        return Layout(runs, index_B, of_row[0], None)
    return Layout(runs, index_B, 1.0, torch.tensor(of_row, device=device)[:, None, None])


class StackedLinear(nn.Module):
    """A frozen linear module and the adapters that some roles have on it: y = Wx + scale_k B_k A_k x in group k's rows.

    It owns its parameters (`A_<role>` [r, I], `B_<role>` [O, r]), so that ZeRO-3 gathers them with its own forward, and
    all of them take part in every forward, so that every rank reduces the same gradients in the same order."""

    def __init__(self, base: Any, adapters: Mapping[str, tuple[int, float]], order: Sequence[str], groups: RowGroups):
        super().__init__()
        self.base, self.groups, self.adapters = base, groups, dict(adapters)
        self.out_features, self.in_features = _sizes(base)
        self.transposed = isinstance(base, Conv1D)
        device = base.weight.device
        for role, (rank, _) in self.adapters.items():
            for side, sizes in (("A", (rank, self.in_features)), ("B", (self.out_features, rank))):
                empty = torch.zeros(sizes, dtype=torch.float32, device=device)
                self.register_parameter(f"{side}_{role}", nn.Parameter(empty))
        here = list(self.adapters)
        self.slots = (*(here.index(role) if role in here else len(here) for role in order), len(here))
        self.scales = tuple(alpha / rank for rank, alpha in self.adapters.values())
        self.rank = max(rank for rank, _ in self.adapters.values())

    def forward(self, x_BTI: Tensor) -> Tensor:
        y_BTO = self.base(x_BTI)
        layout = self.groups.layout(x_BTI, self.slots, self.scales)  # group -1: the last slot, of no adapter
        a_GRI = torch.stack([_padded(getattr(self, f"A_{role}"), 0, self.rank) for role in self.adapters])
        b_GOR = torch.stack([_padded(getattr(self, f"B_{role}"), 1, self.rank) for role in self.adapters])
        if not layout.runs:
            a_GRI, b_GOR = a_GRI.index_select(0, layout.index_B), b_GOR.index_select(0, layout.index_B)
        x_GNI = x_BTI.reshape(len(a_GRI), -1, self.in_features).to(a_GRI.dtype)  # OPT flattens rows and tokens
        y_GNO = y_BTO.reshape(len(a_GRI), -1, self.out_features).to(a_GRI.dtype)
        low_GNR = torch.bmm(x_GNI, a_GRI.transpose(1, 2))
        if layout.scale_G is not None:
            low_GNR = low_GNR * layout.scale_G
        told_GNO = torch.baddbmm(y_GNO, low_GNR, b_GOR.transpose(1, 2), alpha=layout.alpha)
        return told_GNO.reshape(y_BTO.shape).to(y_BTO.dtype)


class StackedLoRA(nn.Module):
    """A frozen causal LM whose chosen modules carry one adapter a role; built by `build_stack`."""

    def __init__(self, model: PreTrainedModel, groups: RowGroups, roles: Sequence[str]):
        super().__init__()
        self.model, self.groups, self.roles = model, groups, tuple(roles)
        self.tells_nats = model.config.model_type in PLAIN_HEADS and type(model.get_output_embeddings()) is nn.Linear
        if self.tells_nats:
            model.set_output_embeddings(FrozenHead(model.get_output_embeddings()))
        self.lower = LowerLayers(model, list(self.wrapped()))

    def set_groups(self, group_B: Tensor) -> None:
        """Says which adapter (index in `roles`; -1 for none) each row of the next batch belongs to."""
        self.groups.set(group_B)

    def forward(
        self, input_ids: Tensor, group_B: Tensor | None = None, told_BT: Tensor | None = None, **further: Any
    ) -> Any:
        """What the model returns; `group_B` may be given here or beforehand. Rows of the same ids, positions and mask
        go through the layers below the first adapter once. Given `told_BT`, and where the stack `tells_nats`: nats_BT,
        the surprise of those tokens, float32, and 0 of the others and of column 0."""
        if group_B is not None:
            self.set_groups(group_B)
        if told_BT is not None:
            return self.model.get_output_embeddings()(self.hidden(input_ids, **further), input_ids, told_BT)
        with self.lower.once(input_ids, further) as (ids_UT, inputs):
            return self.model(input_ids=ids_UT, **inputs)

    def hidden(self, input_ids: Tensor, **further: Any) -> Tensor:
        """hidden_BTH: what the output layer is given; groups have been set beforehand."""
        with self.lower.once(input_ids, further) as (ids_UT, inputs):
            return self.model.base_model(input_ids=ids_UT, **inputs).last_hidden_state

    def wrapped(self) -> dict[str, StackedLinear]:
        """The modules that carry adapters, by the name each has in the plain model."""
        found = ((name, module) for name, module in self.model.named_modules() if isinstance(module, StackedLinear))
        return {plain_name(name): module for name, module in found}

    def role_parameters(self, role: str) -> dict[str, nn.Parameter]:
        """One role's parameters: "<module>.A" and "<module>.B". Under ZeRO-3 they are to be gathered before reading."""
        return {
            f"{name}.{side}": getattr(module, f"{side}_{role}")
            for name, module in self.wrapped().items()
            if role in module.adapters
            for side in "AB"
        }

    def base_state(self) -> dict[str, Tensor]:
        """The trunk's state dict under the plain model's names."""
        return {
            plain_name(name): value
            for name, value in self.model.state_dict().items()
            if not re.search(r"\.[AB]_[^.]+$", name)
        }

    def gradient_checkpointing_enable(self, gradient_checkpointing_kwargs: Mapping[str, Any] | None = None) -> None:
        """Activation checkpointing in training mode, from the first layer with an adapter on: below, nothing is kept.

        A re-entrant one trains nothing unless its inputs ask for gradients, so what enters that layer then does."""
        given = dict(gradient_checkpointing_kwargs or {"use_reentrant": False})
        self.model.activation_checkpointing_enable(given)
        self.model.disable_input_require_grads()  # transformers asks it of the embeddings: a graph from below
        self.lower.checkpointed(bool(given.get("use_reentrant", True)))


def build_stack(
    model: PreTrainedModel,
    roles: Mapping[str, Any],
    seed: int,
    inherit: Mapping[str, Mapping[str, Tensor]] | None = None,
) -> StackedLoRA:
    """Freezes a model and wraps its chosen modules in place; adapters are float32 whatever the model is.

    `roles`: name -> spec with rank, alpha, targets ("attention" | "mlp" | "all") and layers ("all" | "top-half" | a
    list of numbers); their order is the order of groups. A starts Kaiming-uniform (a = sqrt 5) from SHA-256(seed, role,
    name), B at zero; `inherit`: role -> state as `role_parameters` names it, in place of that start.
    Raises: ModelError where targets or layers choose no module, or an inherited state does not fit."""
    model.requires_grad_(False)
    chosen = {role: choose_modules(model, spec, role) for role, spec in roles.items()}
    groups = RowGroups()
    for name in dict.fromkeys(name for names in chosen.values() for name in names):
        adapters = {role: (roles[role].rank, float(roles[role].alpha)) for role in roles if name in chosen[role]}
        parent, _, leaf = name.rpartition(".")
        wrapper = StackedLinear(model.get_submodule(name), adapters, list(roles), groups)
        setattr(model.get_submodule(parent), leaf, wrapper)
    stack = StackedLoRA(model, groups, list(roles))
    for role in roles:
        _start(stack.role_parameters(role), role, seed, (inherit or {}).get(role))
    return stack


def choose_modules(model: PreTrainedModel, spec: Any, role: str = "trunk") -> list[str]:
    """The names of the linear modules that an adapter of this spec sits on, in the model's order."""
    layers = _layers(spec.layers, model.config.num_hidden_layers, role)
    patterns = {"attention": [ATTENTION], "mlp": [MLP], "all": [ATTENTION, MLP]}.get(spec.targets)
    if patterns is None:
        raise _fault(role, "targets", repr(spec.targets), "attention, mlp or all", "correct the word")
    names = []
    for name, module in model.named_modules():
        number = LAYER.search(name)
        fits = isinstance(module, (nn.Linear, Conv1D)) and any(pattern.search(name) for pattern in patterns)
        if fits and number and int(number[1]) in layers:
            names.append(plain_name(name))
    if not names:
        raise _fault(
            role,
            "targets",
            f"{spec.targets} of a {model.config.model_type}",
            "linear modules of a known name (q_proj, c_attn, query_key_value, up_proj, c_fc, ...)",
            "choose other targets, or another architecture",
        )
    return names


def merge_adapter(
    base_state: Mapping[str, Tensor], adapter: Mapping[str, Tensor], scale: float, transposed: bool = False
) -> dict[str, Tensor]:
    """A trunk's state dict with one adapter added into it: W + scale B A in float32, then in W's own precision.

    `transposed`: the weights are stored [I, O], as in GPT-2's Conv1D (`StackedLinear.transposed`)."""
    merged = dict(base_state)
    for name in sorted({name.rpartition(".")[0] for name in adapter}):
        weight = base_state[f"{name}.weight"]
        change_OI = scale * (adapter[f"{name}.B"].float() @ adapter[f"{name}.A"].float())
        merged[f"{name}.weight"] = (weight.float() + (change_OI.T if transposed else change_OI)).to(weight.dtype)
    return merged


def plain_name(name: str) -> str:
    """A module's or parameter's name as the model had it before it was wrapped."""
    return re.sub(r"\.base(?=\.|$)", "", name)


@torch.no_grad()
def _start(parameters: dict[str, nn.Parameter], role: str, seed: int, inherited: Mapping[str, Tensor] | None) -> None:
    if inherited is not None:
        shapes = {name: tuple(value.shape) for name, value in inherited.items()}
        if shapes != {name: tuple(value.shape) for name, value in parameters.items()}:
            raise _fault(
                role,
                "inherit",
                "an adapter of other modules or another rank",
                "the adapter of the stage before, of the same rank, targets and layers",
                "keep rank, targets and layers, or say inherit: fresh",
            )
    for name, parameter in parameters.items():
        if inherited is not None:
            parameter.copy_(inherited[name])
        elif name.endswith(".A"):  # Kaiming-uniform with a = sqrt 5 is a uniform of half-width 1 / sqrt(inputs)
            bound = 1 / math.sqrt(parameter.shape[1])
            drawn = torch.empty(parameter.shape, dtype=torch.float32)
            parameter.copy_(drawn.uniform_(-bound, bound, generator=generator_of(seed, role, name)))
        else:
            parameter.zero_()


def _layers(layers: Any, count: int, role: str) -> set[int]:
    if layers == "all":
        return set(range(count))
    if layers == "top-half":
        return set(range(count // 2, count))
    numbers = set(layers) if isinstance(layers, (list, tuple)) else set()
    if not numbers or not all(isinstance(number, int) and 0 <= number < count for number in numbers):
        raise _fault(
            role, "layers", repr(layers), f"all, top-half, or numbers from 0 to {count - 1}", "correct the list"
        )
    return numbers


def _fault(role: str, key: str, got: str, expected: str, fix: str) -> ModelError:
    return ModelError(Fault(f"the adapter of '{role}' cannot be built.", f"roles.{role}.{key}", got, expected, fix))


def _sizes(base: nn.Linear | Conv1D) -> tuple[int, int]:
    out_in = base.weight.T.shape if isinstance(base, Conv1D) else base.weight.shape
    return int(out_in[0]), int(out_in[1])


def _padded(matrix: Tensor, dim: int, size: int) -> Tensor:
    """A matrix with zeros added at the end of one dimension; itself where nothing is wanting."""
    lack = size - matrix.shape[dim]
    if not lack:
        return matrix
    return functional.pad(matrix, (0, 0, 0, lack) if dim == 0 else (0, lack))
