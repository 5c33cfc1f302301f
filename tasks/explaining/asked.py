"""The one number of an answer that is explained."""

import torch
from torch import Tensor


def score(outputs: Tensor, target: int | None) -> Tensor:
    """Return float32 [B] of outputs [B, K]: the log-odds of class `target` against all others, or the value."""
    if target is None:
        return outputs[:, 0]
    others = torch.cat([outputs[:, :target], outputs[:, target + 1 :]], dim=1)
    return torch.as_tensor(outputs[:, target] - others.logsumexp(dim=1))
