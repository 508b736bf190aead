"""Every setting of a run, its default and its meaning. Defaults are the paper's (§4.2, §4.3); docs/choices.md lists
those on which the paper is silent. Presets (`ifgan/presets/*.yaml`) give what differs.
"""

from dataclasses import dataclass
from typing import Literal

from ifgan.config_ranges import check_ranges
from ifgan.errors import InputError

COMPUTING = ("save_memory", "workers", "checkpoint_steps")  # these settings don't change a single bit of the weights
METHODS = ("baseline", "ifgan-noattention", "ifgan")  # §4.4, Table 1's last three rows


@dataclass(frozen=True)
class Config:
    """One run's settings."""

    method: Literal["baseline", "ifgan-noattention", "ifgan"] = "ifgan"
    """baseline: E on the picture alone, with island loss (footnote 2); ifgan: G, D and E jointly"""
    seed: int = 0
    """every random draw of the run derives from it"""

    # Pictures (§4.2)
    image_size: int = 224
    """side of the model's input in pixels; the aligned face is 256/224 times as large before the crop"""
    closeup: float = 1.0
    """only the middle of the aligned face is used, enlarged so many times; for sets of tight crops"""
    grey: bool = False
    """pictures are read without colour, in training and after; average faces keep theirs"""
    equalize: bool = False
    """every picture's grey values (or each colour's) are spread evenly, in training and after, for more contrast"""
    detail_px: int = 0
    """pictures are reduced to this side first, in training and after, as if from a coarse set; 0: as they are"""
    flip: bool = True
    """random horizontal flip, of the picture and of its average face alike"""
    rotation_deg: float = 5.0
    """random rotation of the picture within plus or minus this angle in degrees"""
    random_crop: bool = True
    """random crop of the picture in training; the centre crop otherwise"""
    zoom: float = 0.0
    """random enlargement or reduction of the picture by up to this share"""
    erase: float = 0.0
    """share of the training pictures in which a random rectangle is blanked (random erasing)"""

    # Generator (§3.1, Fig. 3)
    generator_width: int = 64
    """channels of the first level; deeper levels have 2, 4, 8, 8 times as many"""
    generator_encoder: str = "unet"
    """G's encoding path: unet, or a timm backbone that starts from the weights that pretrained names"""
    generator_pretrained: str | None = None
    """a checkpoint, or ifgan-wild, whose G it starts from as a whole; unset: its encoding path as pretrained says"""
    generator_levels: int = 5
    """stride-2 levels; image_size must be divisible by 2 to this power"""
    attention_level: int = 2
    """level with self-attention: 2 is a quarter of the picture's side, 56x56 at 224"""
    attention_places: tuple[Literal["encoder", "skip", "decoder"], ...] = ("encoder", "skip", "decoder")
    """which of the three modules of Fig. 3 exist"""
    attention_key_ratio: int = 8
    """channels divided by this give the key channels (C2 of Fig. 4)"""
    generator_norm: Literal["batch", "instance"] = "batch"
    """normalisation in G"""
    upsampling: Literal["transpose", "nearest"] = "transpose"
    """decoder: 4x4 transposed convolutions, or nearest neighbour and 3x3 convolutions"""
    generator_dropout: float = 0.0
    """dropout in the two innermost decoder blocks (pix2pix: 0.5)"""
    read_mixture: bool = False
    """E reads the nearest mixture of average faces in place of G's drawing, in training and after"""
    redraw: Literal["free", "mixture"] = "free"
    """the face that is given out: as G draws it, or the nearest mixture of average faces, which tells far less"""

    # Discriminator (§3.1, Fig. 2)
    discriminator_width: int = 64
    """channels of D's first layer"""
    discriminator_layers: int = 3
    """stride-2 layers of D: 1, 2, 3, 4 judge patches of 16, 34, 70, 142 pixels"""
    discriminator_norm: Literal["batch", "instance"] = "batch"
    """normalisation in D"""

    # Expression classifier (§3.1, §4.3)
    backbone: str = "resnet101.tv_in1k"
    """any timm model"""
    pretrained: str = "imagenet"
    """imagenet (timm's weights from its hub), packaged (those inside a package), none, ifgan-wild, or a file with the
    weights, such as a run's checkpoint"""
    pretrained_head: bool = False
    """E's last layer, which decides, starts from that of pretrained, a checkpoint that knows the same expressions"""
    stem_pooling: bool = True
    """the backbone's stem ends in its max pooling; false: without it, so that maps are twice as fine, for small
    pictures; only where it has one, as ResNets do"""
    classifier_input: Literal["pair", "generated"] = "pair"
    """E reads the pair {picture, average face} (Eq. 4), or the generated face alone, and never the picture"""
    classifier_views: tuple[Literal["pair", "picture", "generated"], ...] = ("pair",)
    """what E, taught by pairs, reads after training: the pair, or one half alone; mean log-probability of several"""
    corners_px: int = 0
    """after training E reads four crops more, so many pixels from the middle to each corner; mean log-probability"""
    mirror: bool = False
    """after training E reads everything mirrored too; mean log-probability of both"""
    classifier_dropout: float = 0.0
    """dropout of E's features before the decision, in training"""
    pair_stem: Literal["repeat", "first"] = "repeat"
    """how a three-channel stem becomes six: halved and repeated, or zero for the average face"""
    blank_average: float = 0.0
    """share of the training pairs whose average-face half is blanked, so that E can't lean on it"""
    blank_picture: float = 0.0
    """share of the training pairs whose picture half is blanked, so that E reads the drawn face and G learns from it"""
    soft_labels: float = 0.0
    """share of a training label that the running mean of the weights gives by its own reading of the picture, at the
    end; it rises from 0 over the epochs; for sets whose labels are noisy"""
    teachers: tuple[str, ...] = ()
    """checkpoints whose mean reading gives that share, the same in every epoch, in place of the running mean's"""
    targets: Literal["label", "votes"] = "label"
    """what E is taught: the label, or the share of raters who chose each expression, where the manifest has votes"""
    mixup: float = 0.0
    """training pictures, their average faces and labels are mixed in pairs, shares from Beta(mixup, mixup); 0: none"""
    joint_batch: bool = True
    """real and fake pairs pass through E in one batch (one set of batch statistics) or in two"""

    # Losses (§3.2, Eq. 1-5)
    lambda_gan: float = 1.0
    """weight of the adversarial loss, lambda 1; 0 leaves D out"""
    gan_start: float = 0.0
    """share of the epochs before the adversarial loss and D join, so that G draws expressions before D judges them"""
    classifier_start: float = 0.0
    """share of the epochs before E reads pairs, so that it meets drawn faces that show an expression"""
    classifier_before: Literal["wait", "picture"] = "wait"
    """E before that: does nothing, or learns from pictures alone, as the baseline does; only where it reads pairs"""
    lambda_l1: float = 20.0
    """weight of the L1 loss, lambda 2"""
    lambda_softmax: float = 10.0
    """weight of the expression loss, lambda 3"""
    lambda_island: float = 1.0
    """weight of the island loss, lambda 4"""
    island_alpha: float = 0.03
    """weight of the separation term inside the island loss, alpha"""
    island_reduction: Literal["mean", "sum"] = "mean"
    """centre term over the batch: mean, or the equation's sum"""
    center_rate: float = 0.5
    """how far centres follow their class at each step (Wen et al.'s alpha)"""
    end_to_end: bool = True
    """gradients of E's losses reach G; false: G learns from the adversarial and the L1 loss alone"""
    saturating_gan: bool = False
    """G minimises Eq. 2 to the letter, not the non-saturating form"""

    # Optimisation (§4.3)
    epochs: int = 100
    """passes over the training pictures"""
    choose_from: float | None = None
    """share of the epochs after which the best one on validation is kept; unset: the last epoch is"""
    batch_size: int = 50
    """pictures a step, over all processes together"""
    learning_rate: float = 1e-4
    """Adam's learning rate"""
    generator_learning_rate: float | None = None
    """G's and D's own learning rate; unset: learning_rate"""
    discriminator_learning_rate: float | None = None
    """D's own learning rate; unset: G's"""
    beta1: float = 0.9
    """Adam's beta 1"""
    generator_beta1: float | None = None
    """G's and D's own beta 1; unset: beta1"""
    beta2: float = 0.99
    """Adam's beta 2"""
    weight_decay: float = 1e-4
    """Adam's L2 penalty, the paper's "weight decay\""""
    decoupled_decay: bool = False
    """weight_decay shrinks the weights themselves (AdamW), and is no L2 penalty"""
    schedule: Literal["step", "cosine"] = "step"
    """step: times 0.9 every 10 epochs; cosine: to zero over the run, after warmup_epochs"""
    decay_epochs: int = 10
    """schedule step: epochs between two decays"""
    decay_factor: float = 0.9
    """schedule step: the factor"""
    warmup_epochs: float = 0.0
    """schedule cosine: linear rise over so many epochs"""
    weights_ema: float = 0.0
    """decay a step of the running mean of G's and E's weights that is tested and kept; 0: the weights themselves"""
    freeze_batch_statistics: bool = False
    """batch normalisation keeps the running statistics that it starts with, so that processes agree exactly"""

    # Computing: none of these changes what is learned, but for rounding
    pictures_on_device: bool = False
    """all pictures lie in the device's memory and are turned and cropped there: for a GPU that waits for its loaders"""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """auto: bf16 where the device computes in it natively, else fp32"""
    channels_last: bool = True
    """memory layout of the networks, faster on CPUs and recent GPUs"""
    save_memory: bool = False
    """recompute E's activations in the backward pass: about a third more time for E, a fraction of its memory"""
    workers: int = 0
    """processes that load pictures; 0 loads them in the training process"""
    checkpoint_steps: int = 0
    """also write a checkpoint every so many steps within an epoch; 0: at the end of each epoch only"""

    def __post_init__(self) -> None:
        check_ranges(vars(self))
        if self.schedule == "step" and self.decay_epochs < 1:
            raise InputError(f"decay_epochs {self.decay_epochs}: expected at least 1")
        if self.method != "baseline":
            self._check_generator()
        if self.soft_labels and not (self.weights_ema or self.teachers):
            raise InputError("soft_labels: only with weights_ema or teachers, whose reading they take")
        if self.teachers and not self.soft_labels:
            raise InputError("teachers: only with soft_labels, the share that is theirs")
        if self.blank_average + self.blank_picture > 1:
            raise InputError("blank_average and blank_picture: expected shares of at most 1 together")
        if not self.classifier_views:
            raise InputError("classifier_views: expected some of pair, picture, generated")

    def _check_generator(self) -> None:
        side = 2**self.generator_levels
        if self.image_size % side:
            raise InputError(f"image_size {self.image_size} is not divisible by {side} = 2 ** generator_levels")
        level = self.attention_level if self.method == "ifgan" else 0
        if self.generator_levels < 2 or not 0 <= level < self.generator_levels:
            of = f"attention_level {level} of generator_levels {self.generator_levels}"
            raise InputError(f"{of}: expected at least 2 levels, and one of them but the last, or 0 for none")

    @property
    def pictures_first(self) -> bool:
        """Whether E reads pictures alone before it joins."""
        return self.classifier_before == "picture" and self.classifier_input == "pair"

    @property
    def reads_pictures_alone(self) -> bool:
        """Whether every average half is blanked in training: real and fake pairs are the same then, one pass reads
        both, and G learns nothing from E.
        """
        return self.classifier_input == "pair" and self.blank_average == 1

    @property
    def learning_rates(self) -> dict[str, float]:
        """Of each network, before the schedule."""
        own, judge = self.generator_learning_rate, self.discriminator_learning_rate
        generator = self.learning_rate if own is None else own
        discriminator = generator if judge is None else judge
        return {"classifier": self.learning_rate, "generator": generator, "discriminator": discriminator}

    @property
    def loss_weights(self) -> dict[str, float]:
        """Eq. 1's lambdas by the names that the losses have."""
        return {
            "gan": self.lambda_gan,
            "l1": self.lambda_l1,
            "softmax": self.lambda_softmax,
            "island": self.lambda_island,
        }
