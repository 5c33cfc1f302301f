"""A training loop as one writes it with timm: float32, channels_last, the last blocks learn, AdamW, cosine rates."""

import json
from pathlib import Path
from typing import Any

import timm
import torch
from PIL import Image
from timm.data.config import resolve_data_config
from timm.data.transforms_factory import create_transform
from torch.utils.data import DataLoader
from torchvision import transforms

from bench.contestant import Ask
from bench.data import Data

NAME = "tf_efficientnet_lite0"
BATCH, RATE, HEAD_RATE, WORKERS = 32, 3e-4, 1e-3, 2


class Pictures(torch.utils.data.Dataset[Any]):
    """Opens a picture when it is asked for."""

    def __init__(self, files: list[str], numbers: list[int], transform: Any) -> None:
        self.files, self.numbers, self.transform = files, numbers, transform

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, row: int) -> tuple[Any, int]:
        return self.transform(Image.open(self.files[row]).convert("RGB")), self.numbers[row]


def pretrained(data: Data, outputs: int) -> Any:
    """Return the network with its pretrained weights and a new last layer."""
    overlay = {"file": str(data.timm_weights)}
    model = timm.create_model(NAME, pretrained=True, num_classes=outputs, pretrained_cfg_overlay=overlay)
    return model.to(memory_format=torch.channels_last)


def loader(data: Data, rows: Any, transform: Any, training: bool) -> Any:
    """Return batches of pictures, made by two processes beside."""
    numbers = [data.labels.index(label) for label in rows["label"]]
    pictures = Pictures(rows["content"].tolist(), numbers, transform)
    return DataLoader(pictures, BATCH, shuffle=training, num_workers=WORKERS, persistent_workers=training)


def thaw(model: Any, blocks: int) -> Any:
    """Let the last `blocks` stages of the network learn, and what stands behind them; return the parameter groups."""
    model.requires_grad_(False)
    body = [*model.blocks[-blocks:], model.conv_head, model.bn2]
    for part in [*body, model.classifier]:
        part.requires_grad_(True)
    learning = [parameter for part in body for parameter in part.parameters()]
    return [{"params": learning, "lr": RATE}, {"params": list(model.classifier.parameters()), "lr": HEAD_RATE}]


def set_mode(model: Any) -> None:
    """Set what learns into training mode; batch normalisation keeps its statistics, as ours does."""
    model.train()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()


def answered(model: Any, batches: Any) -> list[int]:
    """Return the class of each picture."""
    model.eval()
    found: list[int] = []
    with torch.inference_mode():
        for pictures, _ in batches:
            found += model(pictures.contiguous(memory_format=torch.channels_last)).argmax(dim=1).tolist()
    return found


def learn(model: Any, batches: Any, optimizer: Any, schedule: Any) -> None:
    """Learn for one epoch."""
    set_mode(model)
    for pictures, numbers in batches:
        outputs = model(pictures.contiguous(memory_format=torch.channels_last))
        loss = torch.nn.functional.cross_entropy(outputs, numbers)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()


def recipe(model: Any) -> tuple[Any, Any]:
    """Return how a picture is changed for training and for asking: the same augmentations as ours."""
    config = resolve_data_config({"crop_pct": 1.0, "crop_mode": "squash"}, model=model)
    plain = create_transform(**config)
    changes = [
        transforms.RandomHorizontalFlip(),
        transforms.RandomVerticalFlip(),
        transforms.RandomAffine(0, translate=(0.05, 0.05)),
        transforms.ColorJitter(brightness=0.1, contrast=0.1),
    ]
    return transforms.Compose([*changes, plain]), plain


def train(data: Data, work: Path) -> Any:
    """Learn, save the weights of the epoch that is best on validation, and return the network with them."""
    model = pretrained(data, len(data.labels))
    changing, plain = recipe(model)
    (work / "labels.json").write_text(json.dumps(data.labels))
    batches = loader(data, data.train, changing, training=True)
    judged = loader(data, data.validation, plain, training=False)
    optimizer = torch.optim.AdamW(thaw(model, data.blocks), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, data.epochs * len(batches))
    best = -1
    for _ in range(data.epochs):
        learn(model, batches, optimizer, schedule)
        found = answered(model, judged)
        right = sum(data.labels[one] == label for one, label in zip(found, data.validation["label"], strict=True))
        if right > best:
            best = right
            torch.save(model.state_dict(), work / "model.pt")
    model.load_state_dict(torch.load(work / "model.pt", weights_only=True))
    return model


def fit(data: Data, work: Path) -> list[str]:
    """Learn, and answer for the test split."""
    model = train(data, work)
    batches = loader(data, data.test, recipe(model)[1], training=False)
    return [data.labels[number] for number in answered(model, batches)]


def load(work: Path) -> Ask:
    """Load the network."""
    labels = json.loads((work / "labels.json").read_text())
    model = timm.create_model(NAME, num_classes=len(labels)).to(memory_format=torch.channels_last)
    model.load_state_dict(torch.load(work / "model.pt", weights_only=True))
    plain = recipe(model)[1]

    def ask(files: list[str]) -> list[str]:
        pictures = torch.stack([plain(Image.open(file).convert("RGB")) for file in files])
        return [labels[number] for number in answered(model, [(pictures, None)])]

    return ask
