"""The layers below a stack's first adapter: rows that are alike go through them once, for all roles, without a graph.

Shapes: B row of a batch, U row unlike those before it, T token. Row b of a batch is row `source_B[b]` of the unlike."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

LAYER = re.compile(r"(?:^|\.)(\d+)\.")
ROW_INPUTS = ("attention_mask", "position_ids", "token_type_ids")  # rows of the same ids are unlike if these differ
WHOLE = (
    "labels",
    "logits_to_keep",
    "num_items_in_batch",
    "return_dict",
)  # what the model looks at after its last layer


class LowerLayers:
    """Hooks on a model's layers from the first that carries an adapter on; below them a batch is its unlike rows alone.

    Whatever the rows are, each module is called once and in the same order: only the number of rows differs, so that
    ranks stay in step under ZeRO-3. A call for a cache, or for what single layers give, goes the plain way."""

    def __init__(self, model: PreTrainedModel, wrapped: Sequence[str]):
        found = [(name, number) for name in wrapped if (number := LAYER.search(name))]
        first_name, first = min(found, key=lambda one: int(one[1][1]))
        layers = list(model.get_submodule(first_name[: first.start(1)].rstrip(".")))
        self.below = layers[: int(first[1])]
        self.config = model.config
        self.entry_asks_gradient = False
        self.source_B: Tensor | None = None
        self._unlike_rows = 0
        self._grown: dict[int, tuple[Tensor, Tensor]] = {}
        for layer in layers[len(self.below) :]:
            layer.register_forward_pre_hook(self._enter, with_kwargs=True)
        self._entry = layers[len(self.below)]

    def checkpointed(self, reentrant: bool) -> None:
        """Keeps the lower layers out of activation checkpointing, which has been switched on for all."""
        self.entry_asks_gradient = reentrant
        for layer in self.below:
            layer.gradient_checkpointing = False

    @contextmanager
    def once(self, input_ids: Tensor, further: dict[str, Any]) -> Iterator[tuple[Tensor, dict[str, Any]]]:
        """The unlike rows of a call to the model, which within are all rows again from the first adapter's layer on."""
        rows = {name: value for name, value in further.items() if name in ROW_INPUTS and value is not None}
        kept = self._unlike([input_ids, *rows.values()]) if self._fits(input_ids, rows, further) else None
        if kept is None:
            yield input_ids, further
            return
        kept_U = torch.tensor(kept, device=input_ids.device)
        alike = {name: value if len(value) == 1 else value[kept_U] for name, value in rows.items()}
        try:
            yield input_ids[kept_U], {**further, **alike}
        finally:
            self.source_B, self._grown = None, {}

    def _fits(self, input_ids: Tensor, rows: dict[str, Any], further: dict[str, Any]) -> bool:
        plain = not self.below or len(input_ids) == 1 or further.get("use_cache", self.config.use_cache)
        plain = plain or self.config.output_hidden_states or self.config.output_attentions
        given = {name for name, value in further.items() if value is not None and value is not False}
        lengths = {len(value) if isinstance(value, Tensor) and value.dim() > 1 else -1 for value in rows.values()}
        return not plain and given <= {*ROW_INPUTS, *WHOLE} and lengths <= {1, len(input_ids)}

    def _unlike(self, inputs: Sequence[Tensor]) -> list[int] | None:
        """The first of each kind of row, None where no two are alike; `source_B` then says which is whose."""
        count = len(inputs[0])
        hosts = [value.cpu().contiguous().view(torch.uint8).numpy() for value in inputs if len(value) == count]
        first: dict[tuple[bytes, ...], int] = {}
        kept, source = [], []
        for row in range(count):
            key = tuple(host[row].tobytes() for host in hosts)
            if key not in first:
                first[key] = len(first)
                kept.append(row)
            source.append(first[key])
        if len(kept) == count:
            return None
        self.source_B, self._unlike_rows = torch.tensor(source, device=inputs[0].device), len(kept)
        return kept

    def _enter(self, layer: Any, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]] | None:
        """A layer's inputs as rows of the batch; hidden states, its first input, are such already above the entry."""
        entering = layer is self._entry
        if self.source_B is not None:
            args = (self._all_rows(args[0]) if entering else args[0], *map(self._all_rows, args[1:]))
            kwargs = {name: self._all_rows(value) for name, value in kwargs.items()}
        if entering and self.entry_asks_gradient and torch.is_grad_enabled() and not args[0].requires_grad:
            args = (args[0].detach().requires_grad_(), *args[1:])
        return args, kwargs

    def _all_rows(self, value: Any) -> Any:
        """A tensor of U rows as one of B, made once a call; anything else as it is."""
        if isinstance(value, tuple):
            return tuple(self._all_rows(one) for one in value)
        if isinstance(value, dict):
            return {name: self._all_rows(one) for name, one in value.items()}
        source_B = self.source_B
        if not isinstance(value, Tensor) or value.dim() < 2 or len(value) != self._unlike_rows:
            return value
        if id(value) not in self._grown:
            many = value.expand(len(source_B), *value.shape[1:]) if len(value) == 1 else value[source_B]
            self._grown[id(value)] = value, many
        return self._grown[id(value)][1]
