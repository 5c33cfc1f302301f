"""Fine-tuning: discriminative rates, early stopping on validation, the best epoch kept; killed, it goes on."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils import clip_grad_norm_

from tasks import progress
from tasks.errors import TrainingError
from tasks.neural import devices, folding, inference, memory, movement, optimizers
from tasks.neural.checkpoints import Checkpoints, State
from tasks.neural.feeding import Material, Portion, batches, portions
from tasks.neural.networks import Network
from tasks.neural.trunk import Trunk
from tasks.objectives import Array
from tasks.parallel import batched
from tasks.schema import DeepTraining

Listener = Callable[[dict[str, float | None], int], None]
"""Called after each epoch with what was measured and the epoch's number, from 0: the network as it came."""


def fine_tune(
    network: Network,
    material: Material,
    params: DeepTraining[Any],
    checkpoints: Checkpoints,
    listen: Listener,
    trunk: Trunk | None = None,
) -> dict[str, Any]:
    """Train `network` in place and leave it with the weights of its best epoch on validation.

    Returns {"epochs": [{"epoch", "train_loss", "loss", metrics...}], "best_epoch": int}. Epoch 0 is the network as it
    came: a fine-tuning that never beats it is undone. Each epoch ends with a checkpoint; a training that finds one of
    its own goes on from there, with the same samples in the same order, and in float32 to the same bits. Raises
    TrainingError where a loss is no finite number (the last checkpoint stays), where something frozen moved or where
    something stood still that should have learnt. `trunk` spares it the frozen blocks.
    """
    before = movement.snapshot(network)
    fitting = Fitting(network, material, params, trunk)
    state = checkpoints.latest()
    if state is None:
        listen(fitting.judge(), 0)
    else:
        fitting.restore(state)
        for entry in fitting.history:
            listen({key: value for key, value in entry.items() if key != "epoch"}, entry["epoch"])
        progress.note(f"{params.name}  goes on after epoch {fitting.epoch}")
    with progress.bar(params.name, fitting.steps_left) as advance:
        while not fitting.ended():
            train_loss = fitting.learn(advance)
            scores = fitting.judge(train_loss)
            checkpoints.save(fitting.epoch, fitting.state())
            listen(scores, fitting.epoch)
    movement.check(params.name, network, before)
    fitting.take_best()
    return {"epochs": fitting.history, "best_epoch": fitting.best_epoch}


class Fitting:
    """A training under way: the network, its optimizer and what the epochs so far were worth."""

    def __init__(
        self, network: Network, material: Material, params: DeepTraining[Any], trunk: Trunk | None = None
    ) -> None:
        self.network, self.material, self.params, self.trunk = network, material, params, trunk
        self.device, self.half = devices.device(), devices.precision(params.precision) is torch.bfloat16
        network.to(self.device)
        folding.find(network, material.example)
        self.learning = network.learning_tensors()
        self.criterion = material.objective.criterion(params.loss, material.targets[material.train], material.facts)
        groups = network.groups(params.learning_rates, params.optimizer.weight_decay)
        self.optimizer = optimizers.optimizer(params.optimizer, groups)
        fed = len(batches(range(len(material.train)), params.batch_size))
        self.steps_an_epoch = math.ceil(fed / params.accumulation)
        self.schedule = optimizers.schedule(params.schedule, self.optimizer, params.epochs, self.steps_an_epoch)
        self.average = optimizers.Average(self._floating(), params.average) if params.average else None
        self.room, self.asking = memory.Room(params.batch_size), memory.Room(params.batch_size)
        self.history: list[dict[str, Any]] = []
        self.best: dict[str, Tensor] = {}

    @property
    def epoch(self) -> int:
        """How many epochs are behind it."""
        return len(self.history) - 1

    @property
    def best_epoch(self) -> int:
        """The best epoch so far; of equals the earliest.

        What is monitored may be undefined of the network as it came: a head of noughts answers all alike.
        """
        sign = 1 if self.params.monitor == "loss" else -1
        told = [entry for entry in self.history if entry[self.params.monitor] is not None]
        if not told and self.epoch == 0:
            return 0
        if not told:
            raise TrainingError(f"{self.params.name}: {self.params.monitor} is undefined on the validation split")
        return int(min(told, key=lambda entry: sign * entry[self.params.monitor])["epoch"])

    @property
    def steps_left(self) -> int:
        """How many optimizer steps there are at most to come."""
        return (self.params.epochs - max(self.epoch, 0)) * self.steps_an_epoch

    def ended(self) -> bool:
        """Tell whether all epochs are done, or too many in a row brought nothing better."""
        return self.epoch >= self.params.epochs or self.epoch - self.best_epoch >= self.params.patience

    def learn(self, advance: Callable[[], None]) -> float:
        """Learn for one epoch and return its mean loss. All that is random is drawn from the seed and the epoch."""
        epoch = len(self.history)
        torch.manual_seed(self.params.seed * 100_003 + epoch)
        self._unfreeze(epoch)
        self.network.train()
        fed = portions(self.material, self.params.batch_size, self.params.augment, self.params.seed, epoch)
        total = 0.0
        with folding.folded(self.network, frozen=True):
            for step, together in enumerate(batched(fed, self.params.accumulation), start=1):
                total += self._step(together, f"epoch {epoch}, step {step}")
                advance()
        return total / len(self.material.train)

    def _unfreeze(self, epoch: int) -> None:
        if self.params.unfreeze_every:
            most = self.params.blocks or len(self.network.blocks)
            self.network.freeze(min(1 + (epoch - 1) // self.params.unfreeze_every, most))

    def _step(self, together: list[Portion], where: str) -> float:
        """Take one optimizer step on these batches; return the sum of their samples' losses."""
        count, total = sum(len(portion.rows) for portion in together), self._accumulated(together, where)
        norm = clip_grad_norm_(self.network.parameters(), self.params.optimizer.clip_norm)
        self._check(norm.expand(count), np.concatenate([portion.rows for portion in together]), "the gradient", where)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.average:
            self.average.update(self.learning)
        return total

    def _accumulated(self, together: list[Portion], where: str) -> float:
        """Add up the gradients of these batches and return the sum of their samples' losses.

        Where memory runs out the step begins anew, in parts of half the size: their gradients add up to the same.
        """
        while True:
            try:
                return self._gradients(together, where)
            except (RuntimeError, MemoryError) as error:
                if not memory.ran_out(error):
                    raise
            self.optimizer.zero_grad(set_to_none=True)
            self.room.halve(least=2 if self._compares() else 1)

    def _gradients(self, together: list[Portion], where: str) -> float:
        count, total = sum(len(portion.rows) for portion in together), 0.0
        for portion in together:
            if self.trunk and self.trunk.feeds:
                portion = portion._replace(inputs=self.trunk.enter(portion.rows, portion.inputs, portion.variants))
            for part in portion.to(self.device).parts(self.room.most):
                losses = self._losses(part)
                self._check(losses, part.rows[part.part], "the loss", where)
                torch.autograd.backward(losses.sum() / count)
                total += float(losses.detach().sum())
        return total

    def _compares(self) -> bool:
        """Tell whether batch normalisation learns, which has nothing to compare a single sample with."""
        normalising = (module for module in self.network.modules() if isinstance(module, _BatchNorm))
        return any(module.training for module in normalising)

    def _losses(self, portion: Portion) -> Tensor:
        """Return float32 [B]; of mixed samples the mixture of both losses."""
        part = portion.part
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.half):
            outputs = self.network(**{name: tensor[part] for name, tensor in portion.inputs.items()}).float()
        losses = self.criterion(outputs, portion.targets[part], portion.confidence[part])
        if portion.partners is None:
            return losses
        partners = portion.partners[part]
        other = self.criterion(outputs, portion.targets[partners], portion.confidence[partners])
        return losses * portion.share + other * (1 - portion.share)

    def _check(self, values: Tensor, rows: Array, what: str, where: str) -> None:
        """Raise TrainingError, with the samples' names, where the value [B] of one of `rows` is no finite number."""
        finite = torch.isfinite(values.detach()).cpu().numpy()
        if finite.all():
            return
        named = self.material.prepared.samples["name"].iloc[rows[~finite]]
        shown = ", ".join(named.head(3)) + (f" and {len(named) - 3} more" if len(named) > 3 else "")
        raise TrainingError(
            f"{self.params.name}: {what} is no finite number at {where} (samples {shown}); look at these samples or "
            f"lower learning_rates{f'; the state after epoch {self.epoch} is kept' if self.epoch else ''}"
        )

    def judge(self, train_loss: float | None = None) -> dict[str, float | None]:
        """Score the validation split, add it to the history and keep the weights if they are the best so far."""
        epoch = len(self.history)
        scores: dict[str, float | None] = {} if train_loss is None else {"train_loss": train_loss}
        with self._averaged():
            scores |= self._validation_scores()
            self.history.append({"epoch": epoch, **scores})
            if self.best_epoch == epoch:
                self.best = self._copies()
        return scores

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """Give the network the averaged weights meanwhile, where there are any."""
        if self.average is None:
            yield
            return
        current = self._copies()
        self._take(self.average.tensors)
        yield
        self._take(current)

    def _validation_scores(self) -> dict[str, float | None]:
        material, params = self.material, self.params
        outputs = inference.compute(
            self.network, material.prepared, material.validation, material.modality, material.backbone,
            params.batch_size, params.precision, "outputs", self.asking, self.trunk.enter if self.trunk else None,
        )  # fmt: skip
        self._check_outputs(outputs)
        return material.objective.score(outputs, material.targets[material.validation], material.facts)

    def _check_outputs(self, outputs: Array) -> None:
        bad = self.material.validation[~np.isfinite(outputs).all(axis=1)]
        if len(bad):
            first = self.material.prepared.samples["name"].iloc[int(bad[0])]
            raise TrainingError(
                f"{self.params.name}: after epoch {len(self.history)} the answers for {len(bad)} validation samples "
                f"are no finite numbers (first {first}); lower learning_rates"
            )

    def take_best(self) -> None:
        """Give the network the weights of its best epoch."""
        self._take(self.best)

    def state(self) -> State:
        """Return all that the rest of the training depends on."""
        return {
            "history": self.history,
            "learning": self._copies(),
            "best": self.best,
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "average": self.average.state() if self.average else None,
        }

    def restore(self, state: State) -> None:
        """Go back to where `state` was taken."""
        self.history, self.best = state["history"], state["best"]
        self._take(state["learning"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        if self.average:
            self.average.restore(state["average"])
        self._unfreeze(max(self.epoch, 1))

    def _floating(self) -> dict[str, Tensor]:
        return {name: tensor for name, tensor in self.learning.items() if tensor.is_floating_point()}

    def _copies(self) -> dict[str, Tensor]:
        return {name: tensor.detach().clone() for name, tensor in self.learning.items()}

    def _take(self, tensors: dict[str, Tensor]) -> None:
        with torch.no_grad():
            for name, tensor in tensors.items():
                self.learning[name].copy_(tensor)
