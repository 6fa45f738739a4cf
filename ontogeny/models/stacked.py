"""Several low-rank adapters on one frozen trunk: each row of a batch belongs to one adapter, or to none.

Shapes: B row, T token, K adapter of a module, R rank (the largest of the module's), I inputs, O outputs."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from ontogeny.core.errors import Fault, ModelError
from ontogeny.models.causal import generator_of

ATTENTION = re.compile(
    r"(^|\.)(\w*attn|\w*attention)\.(\w+\.)*(q_proj|k_proj|v_proj|o_proj|out_proj|qkv_proj|c_attn|c_proj|"
    r"query_key_value|Wqkv|query|key|value|dense)$"
)
MLP = re.compile(
    r"(^|\.)(gate_proj|up_proj|down_proj|gate_up_proj|c_fc|fc_in|fc_out|fc1|fc2|dense_h_to_4h|dense_4h_to_h|"
    r"mlp\.c_proj)$"
)
LAYER = re.compile(r"(?:^|\.)(\d+)\.")


class RowGroups:
    """Which adapter each row of the coming batch belongs to; one object that every wrapped module looks at."""

    def __init__(self) -> None:
        self.group_B: Tensor | None = None

    def of(self, x: Tensor) -> Tensor:
        """The groups of the rows of an input, on its device."""
        rows = 0 if self.group_B is None else len(self.group_B)
        fits = rows and (len(x) == rows or (x.dim() == 2 and len(x) % rows == 0))
        assert fits, f"{tuple(x.shape)} for {rows} rows: call set_groups before forward"
        return torch.as_tensor(self.group_B, device=x.device)


class StackedLinear(nn.Module):
    """A frozen linear module and the adapters that some roles have on it: y = Wx + scale_k B_k A_k x in group k's rows.

    It owns its parameters (`A_<role>` [r, I], `B_<role>` [O, r]), so that ZeRO-3 gathers them with its own forward, and
    all of them take part in every forward, so that every rank reduces the same gradients in the same order."""

    slot_of_group: Tensor
    scale_of_slot: Tensor

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
        slots = [here.index(role) if role in self.adapters else len(here) for role in order] + [len(here)]
        scales = [alpha / rank for rank, alpha in self.adapters.values()] + [0.0]
        self.register_buffer("slot_of_group", torch.tensor(slots, device=device), persistent=False)
        self.register_buffer("scale_of_slot", torch.tensor(scales, device=device), persistent=False)

    def forward(self, x_BTI: Tensor) -> Tensor:
        y_BTO = self.base(x_BTI)
        slot_B = self.slot_of_group[self.groups.of(x_BTI)]  # -1: the last slot, of no adapter
        x_BTI, shape = x_BTI.reshape(len(slot_B), -1, self.in_features), y_BTO.shape  # OPT flattens rows and tokens
        rank = max(rank for rank, _ in self.adapters.values())
        a_KRI = torch.stack([_padded(getattr(self, f"A_{role}"), 0, rank) for role in self.adapters])
        b_KOR = torch.stack([_padded(getattr(self, f"B_{role}"), 1, rank) for role in self.adapters])
        kept_B = slot_B.clamp(max=len(self.adapters) - 1)  # a row of no adapter borrows one, at scale 0
        scale_B = self.scale_of_slot[slot_B].to(a_KRI.dtype)
        low_BTR = torch.bmm(x_BTI.to(a_KRI.dtype), a_KRI[kept_B].transpose(1, 2)) * scale_B[:, None, None]
        return (y_BTO + torch.bmm(low_BTR, b_KOR[kept_B].transpose(1, 2)).reshape(shape)).to(y_BTO.dtype)


class StackedLoRA(nn.Module):
    """A frozen causal LM whose chosen modules carry one adapter a role; built by `build_stack`."""

    def __init__(self, model: PreTrainedModel, groups: RowGroups, roles: Sequence[str]):
        super().__init__()
        self.model, self.groups, self.roles = model, groups, tuple(roles)

    def set_groups(self, group_B: Tensor) -> None:
        """Says which adapter (index in `roles`; -1 for none) each row of the next batch belongs to."""
        self.groups.group_B = group_B.long()

    def forward(self, input_ids: Tensor, group_B: Tensor | None = None, **further: Any) -> Any:
        """What the model returns; `group_B` may be given here or beforehand."""
        if group_B is not None:
            self.set_groups(group_B)
        return self.model(input_ids=input_ids, **further)

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
        """Activation checkpointing in training mode; the inputs then ask for gradients, or nothing would be trained."""
        given = dict(gradient_checkpointing_kwargs or {"use_reentrant": False})
        self.model.activation_checkpointing_enable(given)
        self.model.enable_input_require_grads()


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
