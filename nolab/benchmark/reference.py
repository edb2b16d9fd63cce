"""neuraloperator's own model in its own Trainer's loop."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from typing import Self

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from nolab.benchmark.counterparts import Variant
from nolab.benchmark.rows import NEURALOPERATOR
from nolab.benchmark.subject import STEPS
from nolab.config import OptimizerOptions
from nolab.data.pyramid import LevelTensors
from nolab.models import in_float64


class ReferenceStep:
    """Steps of neuraloperator's Trainer; see :class:`nolab.benchmark.subject.Subject`.

    Parameters
    ----------
    build : makes the model with the variant's precision, the same weights at every call.
    samples : as many as a batch has, on the CPU, from where its Trainer fetches them.
    """

    implementation = NEURALOPERATOR

    def __init__(
        self,
        build: Callable[[str], nn.Module],
        variant: Variant,
        samples: LevelTensors,
        optimizer: OptimizerOptions,
        device: torch.device,
    ) -> None:
        from neuralop.losses import LpLoss
        from neuralop.training import AdamW, Trainer

        self.precision, self.mode = variant.name, variant.mode
        self._variant, self._device = variant, device
        shape = samples.target.shape[2:]
        x, y = samples.input.expand(*samples.input.shape[:2], *shape).contiguous(), samples.target
        self._samples = {"x": x, "y": y}
        self._loss = LpLoss(d=len(shape))
        with _quiet():
            self.model = build(variant.block).to(device)
            self._trainer = Trainer(
                model=self.model, n_epochs=1, device=device, mixed_precision=variant.amp, verbose=False
            )
            self._trainer.regularizer = None
            self._trainer.optimizer = AdamW(
                self.model.parameters(), lr=optimizer.lr, weight_decay=optimizer.weight_decay
            )
            self._trainer.scheduler = torch.optim.lr_scheduler.ConstantLR(self._trainer.optimizer)
        self._loader = DataLoader(_Pairs(x, y), batch_size=len(x), shuffle=True)

    def __call__(self) -> None:
        with _quiet():
            self._trainer.train_one_epoch(0, self._loader, self._loss)

    def gradient(self) -> Tensor:
        batch = {name: tensor.to(self._device) for name, tensor in self._samples.items()}
        with _quiet(), torch.autocast(self._device.type, enabled=self._variant.amp):
            prediction = self.model(**batch)
            loss = self._loss(prediction, **batch)
        loss.backward()
        return prediction.detach()

    def clear(self) -> None:
        self.model.zero_grad(set_to_none=True)

    def in_float64(self) -> Self:
        other = copy(self)
        other.model = in_float64(self.model)
        other._samples = {name: tensor.double() for name, tensor in self._samples.items()}
        return other


class _Pairs(Dataset):
    """Samples in memory, as neuraloperator's Trainer takes them; as often as there are steps."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self._x, self._y = x, y

    def __len__(self) -> int:
        return STEPS * len(self._x)

    def __getitem__(self, i: int) -> dict[str, Tensor]:
        i %= len(self._x)
        return {"x": self._x[i], "y": self._y[i]}


@contextmanager
def _quiet() -> Iterator[None]:
    """Without neuraloperator's warnings about its own defaults."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
