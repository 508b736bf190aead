"""Every setting of a run: range, default and meaning. Defaults are the paper's (§4.2, §4.3); docs/choices.md lists
those on which the paper is silent. Presets (`ifgan/presets/*.yaml`) give what differs.

A setting is named by its section and its own name: ``optimizer.epochs`` is ``config.optimizer.epochs`` in Python,
``--optimizer.epochs`` on the command line, ``epochs:`` below ``optimizer:`` in YAML.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo

from ifgan.errors import InputError

METHODS = ("baseline", "ifgan-noattention", "ifgan")  # §4.4, Table 1's last three rows
LEVELS = 5  # stride-2 levels of G: 224 -> 7; pix2pix's eight need 256

Weight = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
BelowOne = Annotated[float, Field(ge=0, lt=1)]
AtLeastOne = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]


class Section(BaseModel):
    """Settings that belong together."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


class Preprocess(Section):
    """Images, before the networks (§4.2). The first five hold after training too."""

    image_size: AtLeastOne = 224
    """side of the model's input in pixels; the aligned face is 256/224 times as large before the crop"""
    center_crop_zoom: Annotated[float, Field(ge=1)] = 1.0
    """only the middle of the aligned face is used, enlarged so many times; for sets of tight crops"""
    grey: bool = False
    """images are read without colour; average faces keep theirs"""
    hist_equalize: bool = False
    """every image's grey values (or each colour's) are spread evenly, for more contrast"""
    downsample_px: Count = 0
    """images are reduced to this side first, as if from a coarse set; 0: as they are"""
    flip: bool = True
    """random horizontal flip, of the image and of its average face alike"""
    rotation_deg: Weight = 5.0
    """random rotation of the image within plus or minus this angle in degrees"""
    random_crop: bool = True
    """random crop of the image in training; the centre crop otherwise"""
    scale_jitter: BelowOne = 0.0
    """random enlargement or reduction of the image by up to this share"""
    random_erasing: Share = 0.0
    """share of the training images in which a random rectangle is blanked"""
    random_blur: Share = 0.0
    """share of the training images that are blurred, as enlarged small faces are"""
    mixup: Weight = 0.0
    """training images, their average faces and labels are mixed in pairs, shares from Beta(mixup, mixup); 0: none"""


class Generator(Section):
    """G (§3.1, Fig. 3)."""

    width: AtLeastOne = 64
    """channels of the first level; deeper levels have 2, 4, 8, 8 times as many"""
    encoder: str = "unet"
    """the encoding path: unet, or a timm backbone that starts from the weights that classifier.weights names"""
    weights: str | None = None
    """a checkpoint, or ifgan-wild, whose generator it starts from; unset: classifier.weights, for its encoder"""
    attention_level: Annotated[int, Field(ge=0, lt=LEVELS)] = 2
    """level with self-attention: 2 is a quarter of the image's side, 56x56 at 224; 0 for none"""
    upsampling: Literal["transpose", "nearest"] = "transpose"
    """decoder: 4x4 transposed convolutions, or nearest neighbour and 3x3 convolutions"""
    redraw: Literal["free", "mixture"] = "free"
    """the face that is given out: as drawn, or the nearest mixture of average faces, which tells far less"""


class Discriminator(Section):
    """D (§3.1, Fig. 2): a PatchGAN of 70 pixels."""

    width: AtLeastOne = 64
    """channels of the first layer"""


class Classifier(Section):
    """E (§3.1, §4.3)."""

    backbone: str = "resnet101.tv_in1k"
    """any timm model"""
    weights: str = "imagenet"
    """imagenet (timm's weights from its hub), packaged (those inside a package), none, ifgan-wild, or a file with the
    weights, such as a run's checkpoint"""
    head_weights: bool = False
    """the last layer, which decides, starts from that of weights, a checkpoint that knows the same expressions"""
    stem_pooling: bool = True
    """the backbone's stem ends in its max pooling; false: without it, so that maps are twice as fine, for small
    images; only where it has one, as ResNets do"""
    dropout: BelowOne = 0.0
    """dropout of the features before the decision, in training"""
    average_dropout: Share = 0.0
    """share of the training pairs whose average-face half is blanked, so that the classifier can't lean on it"""
    image_dropout: Share = 0.0
    """share of the training pairs whose image half is blanked, so that the generated face is read and its generator
    learns from it"""
    reads_mixture: bool = False
    """the nearest mixture of average faces is read in place of the generated face, in training and after"""
    tta_inputs: Annotated[tuple[Literal["pair", "image", "generated"], ...], Field(min_length=1)] = ("pair",)
    """test-time augmentation: the pair, or one half alone; mean log-probability of several"""
    tta_flip: bool = False
    """test-time augmentation: everything mirrored too"""
    targets: Literal["label", "votes"] = "label"
    """what is taught: the label, or the share of raters who chose each expression, where the manifest has votes"""
    soft_labels: Share = 0.0
    """share of a training label that the running mean of the weights gives by its own prediction, at the end; it rises
    from 0 over the epochs; for sets whose labels are noisy"""
    teachers: tuple[str, ...] = ()
    """checkpoints whose mean prediction gives that share, the same in every epoch, in place of the running mean's"""


class Losses(Section):
    """Eq. 1-5 (§3.2)."""

    gan: Weight = 1.0
    """weight of the adversarial loss, lambda 1; 0 leaves the discriminator out"""
    l1: Weight = 20.0
    """weight of the L1 loss, lambda 2"""
    softmax: Weight = 10.0
    """weight of the expression loss, lambda 3"""
    island: Weight = 1.0
    """weight of the island loss, lambda 4"""
    island_alpha: Weight = 0.03
    """weight of the separation term inside the island loss, alpha"""
    island_reduction: Literal["mean", "sum"] = "mean"
    """centre term over the batch: mean, or the equation's sum"""
    class_balance: Share = 0.0
    """rare expressions weigh more in the expression loss: by their share of the training images to the power of minus
    this; 0: all images weigh the same, 1: all expressions do"""
    end_to_end: bool = True
    """gradients of the classifier's losses reach the generator; false: it learns from the other two alone"""
    saturating_gan: bool = False
    """the generator minimises Eq. 2 to the letter, not the non-saturating form"""


class Phases(Section):
    """When each network joins, as shares of the epochs, and which epoch is kept."""

    classifier_start: Share = 0.0
    """the classifier reads pairs from here on, so that it meets generated faces that show an expression"""
    classifier_before: Literal["wait", "image"] = "wait"
    """what the classifier does before that: nothing, or it learns from images alone, as the baseline does"""
    discriminator_start: Share = 0.0
    """the adversarial loss and the discriminator join here, once generated faces show expressions"""
    choose_from: Share | None = None
    """of the epochs from here on the best one on validation is kept; unset: the last epoch is"""


class Optimizer(Section):
    """Adam and its schedule (§4.3)."""

    epochs: AtLeastOne = 100
    """passes over the training images"""
    batch_size: AtLeastOne = 50
    """images a step, over all processes together"""
    learning_rate: Weight = 1e-4
    """Adam's learning rate"""
    generator_learning_rate: Weight | None = None
    """of generator and discriminator; unset: learning_rate"""
    discriminator_learning_rate: Weight | None = None
    """of the discriminator alone; unset: the generator's"""
    beta1: BelowOne = 0.9
    """Adam's beta 1"""
    generator_beta1: BelowOne | None = None
    """beta 1 of generator and discriminator; unset: beta1"""
    beta2: BelowOne = 0.99
    """Adam's beta 2"""
    weight_decay: Weight = 1e-4
    """Adam's L2 penalty, the paper's "weight decay\""""
    decoupled_decay: bool = False
    """weight_decay shrinks the weights themselves (AdamW), and is no L2 penalty"""
    schedule: Literal["step", "cosine"] = "step"
    """step: times decay_factor every decay_epochs; cosine: to zero over the run, after warmup_epochs"""
    decay_epochs: AtLeastOne = 10
    """schedule step: epochs between two decays"""
    decay_factor: Weight = 0.9
    """schedule step: the factor"""
    warmup_epochs: Weight = 0.0
    """schedule cosine: linear rise over so many epochs"""
    weights_ema: BelowOne = 0.0
    """decay a step of the running mean of the weights that is tested and kept; 0: the weights themselves"""
    freeze_batch_statistics: bool = False
    """batch normalisation keeps the running statistics that it starts with, so that processes agree exactly"""

    @property
    def learning_rates(self) -> dict[str, float]:
        """Of each network, before the schedule."""
        own, judge = self.generator_learning_rate, self.discriminator_learning_rate
        generator = self.learning_rate if own is None else own
        discriminator = generator if judge is None else judge
        return {"classifier": self.learning_rate, "generator": generator, "discriminator": discriminator}


class Run(Section):
    """How it is computed: none of these changes what is learned, but for the seed, and for rounding."""

    seed: int = 0
    """every random draw of the run derives from it"""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """auto: bf16 where the device computes in it natively, else fp32"""
    gradient_checkpointing: bool = False
    """recompute the classifier's activations in the backward pass: a third more time, a fraction of its memory"""
    workers: Count = 0
    """processes that load images; 0 loads them in the training process"""
    checkpoint_steps: Count = 0
    """also write a checkpoint every so many steps within an epoch; 0: at the end of each epoch only"""


NEUTRAL = ("run.gradient_checkpointing", "run.workers", "run.checkpoint_steps")  # don't change a bit of the weights


class Config(Section):
    """One run's settings."""

    method: Literal["baseline", "ifgan-noattention", "ifgan"] = "ifgan"
    """baseline: the classifier on the image alone, with island loss (footnote 2); ifgan: all three networks jointly"""
    preprocess: Preprocess = Preprocess()
    generator: Generator = Generator()
    discriminator: Discriminator = Discriminator()
    classifier: Classifier = Classifier()
    losses: Losses = Losses()
    phases: Phases = Phases()
    optimizer: Optimizer = Optimizer()
    run: Run = Run()

    @model_validator(mode="after")
    def _fits_together(self) -> "Config":
        side, classifier = 2**LEVELS, self.classifier
        if "generator" in self.networks and self.preprocess.image_size % side:
            raise ValueError(f"preprocess.image_size {self.preprocess.image_size} is not divisible by {side}")
        if classifier.soft_labels and not (self.optimizer.weights_ema or classifier.teachers):
            raise ValueError(
                "classifier.soft_labels: only with optimizer.weights_ema or teachers, whose prediction they take"
            )
        if classifier.teachers and not classifier.soft_labels:
            raise ValueError("classifier.teachers: only with soft_labels, the share that is theirs")
        if classifier.average_dropout + classifier.image_dropout > 1:
            raise ValueError("classifier.average_dropout, image_dropout: expected shares of at most 1 together")
        return self

    @property
    def networks(self) -> tuple[str, ...]:
        """Those that the method has; a discriminator whose loss weighs nothing is none."""
        if self.method == "baseline":
            return ("classifier",)
        return ("generator", "classifier", *(("discriminator",) if self.losses.gan else ()))

    def changed(self, **changes: Any) -> "Config":
        """The same with other values, named as `nested` takes them: ``config.changed(epochs=3, generator_width=4)``.
        Raises InputError.
        """
        return from_dict(merged(self.model_dump(), nested(changes)))

    def flat(self) -> dict[str, Any]:
        """Every setting by its whole name: ``{"optimizer.epochs": 100}``, lists for tuples."""
        found: dict[str, Any] = {}
        for section, own in self.model_dump(mode="json").items():
            found |= (
                {f"{section}.{name}": value for name, value in own.items()} if isinstance(own, dict) else {section: own}
            )
        return found


def settings() -> Iterator[tuple[str, FieldInfo]]:
    """Every setting's whole name, ``"optimizer.epochs"``, and its field."""
    for name, field in Config.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, Section):
            yield from ((f"{name}.{own}", of_section) for own, of_section in section.model_fields.items())
        else:
            yield name, field


def nested(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Changes by section. A name may be a section's, with a mapping; a setting's whole name; or its own name alone
    where one section has it, else with the section's before it (``generator_width``). Raises InputError for a name that
    is none of these.
    """
    found: dict[str, Any] = {}
    for name, value in changes.items():
        whole = _whole_name(name)
        section, _, own = whole.partition(".")
        found = merged(found, {section: {own: value}} if own else {section: value})
    return found


def _whole_name(name: str) -> str:
    if "." in name or name in Config.model_fields:
        return name
    fitting = [whole for whole, _ in settings() if name in (whole.split(".")[-1], whole.replace(".", "_"))]
    if len(fitting) != 1:
        told = f"one of {', '.join(fitting)}" if fitting else "a setting, see ifgan train --help"
        raise InputError(f"unknown field {name!r}; expected {told}")
    return fitting[0]


def short_name(whole: str) -> str:
    """The shortest name of a setting that `nested` takes: ``"epochs"``, ``"generator_width"``."""
    own = whole.rsplit(".", maxsplit=1)[-1]
    return own if sum(name.split(".")[-1] == own for name, _ in settings()) == 1 else whole.replace(".", "_")


def merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by section with changes by section on top."""
    result = dict(values)
    for name, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(result.get(name), Mapping)
        result[name] = result[name] | dict(value) if both else value
    return result


def from_dict(values: Mapping[str, Any], *, source: str = "") -> Config:
    """A Config from plain values by section, as YAML holds them; what is not named keeps its default. Numbers may be
    text (YAML takes 1e-4 for one). Raises InputError, which begins with ``source``, for an unknown name and for a value
    out of type or range.
    """
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise InputError(f"{source}: {sentence_of(error)}" if source else sentence_of(error)) from error


def sentence_of(error: ValidationError) -> str:
    """The first fault, in words."""
    fault = error.errors()[0]
    name, given, limits = ".".join(map(str, fault["loc"])), fault["input"], fault.get("ctx", {})
    if fault["type"] == "extra_forbidden":
        return f"unknown field {name!r}"
    if fault["type"] == "missing":
        return f"{name}: is missing"
    if fault["type"] == "value_error":
        return str(limits["error"])
    expected = {
        "greater_than_equal": "at least {ge:g}", "less_than_equal": "at most {le:g}", "less_than": "less than {lt:g}",
        "finite_number": "a finite number", "literal_error": "one of {expected}",
        "int_parsing": "a whole number", "int_from_float": "a whole number", "int_type": "a whole number",
        "float_parsing": "a number", "float_type": "a number", "bool_parsing": "true or false",
        "bool_type": "true or false", "string_type": "text", "tuple_type": "a list", "model_type": "names and values",
        "too_short": "at least one",
    }.get(fault["type"])  # fmt: skip
    if expected is None:
        return f"{name}: {fault['msg']}, got {given!r}"
    return f"{name}: expected {expected.format(**limits)}, got {'nothing' if given is None else repr(given)}"


def to_dict(config: Config) -> dict[str, Any]:
    """Plain values by section for YAML and JSON."""
    return config.model_dump(mode="json")


def read_config(path: Path) -> Config:
    """The configuration in a YAML file. Raises InputError for a file that can't be read, unknown names and
    values out of type or range.
    """
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"{path}: can't be read as a configuration ({_reason(error)})") from error
    if not isinstance(values, dict):
        raise InputError(f"{path}: expected sections, each with names and values")
    return from_dict(values, source=str(path))


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    mark = getattr(error, "problem_mark", None)
    where = "" if mark is None else f" in line {mark.line + 1}"
    return f"{str(error).splitlines()[0]}{where}"
