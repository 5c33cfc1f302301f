"""The resamples by which a data set's test samples are judged."""

import numpy as np
import pandas as pd

from tasks.errors import ConfigError
from tasks.evaluation import bootstrap
from tasks.objectives import Array
from tasks.schema import AnyDataset


def weights(params: AnyDataset, samples: pd.DataFrame) -> Array:
    """Draw the resamples of test samples (id, group), int32 [R, T]; one without a group is a group by itself.

    ConfigError where groups are asked for and none has one.
    """
    settings = params.evaluate.bootstrap
    if settings.by == "sample":
        return bootstrap.by_sample(len(samples), settings.resamples, params.seed)
    if samples["group"].isna().all():
        raise ConfigError(
            f"datasets.{params.name}.evaluate.bootstrap.by: group, but no sample of the test split has one; "
            "write sample"
        )
    groups = np.where(samples["group"].isna(), "sample " + samples["id"], "group " + samples["group"])
    return bootstrap.by_group(groups.astype(str), settings.resamples, params.seed)
