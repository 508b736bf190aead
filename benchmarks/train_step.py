"""Time and peak memory of our joint training step against a plain one, in one run.

    python benchmarks/train_step.py [--preset paper|cpu] [--batch 8] [--steps 4] [--rounds 3]
        [--ours-only] [--set SETTING=VALUE ...]

Plain: fp32, eager, channels first, an unfused Adam, attention by an explicit N x N map, and real and fake pairs
through E one after the other. Ours: the preset as it is. The same networks, weights and pictures (random ones: none
of ImageNet's are needed). Each measurement is a process of its own, so that its peak memory is its own; the two take
turns; the ratio is the median over the rounds. ``--ours-only --batch 50 --preset paper``: the paper's literal step.
"""

import argparse
import contextlib
import json
import resource
import statistics
import subprocess
import sys
import time
from unittest.mock import patch

import torch
import yaml
from torch import Tensor

from ifgan.config import Config
from ifgan.data.pairs import Batch
from ifgan.models.generator import SelfAttention
from ifgan.presets import make_config
from ifgan.training import step as step_module
from ifgan.training.fit import make_accelerator
from ifgan.training.networks import Networks, build_networks
from ifgan.training.schedule import Phase

CLASSES = 6


def main() -> None:
    """Measure, or (as the child) be measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="paper")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, help="timed steps after the first; 4, or none for ours alone")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ours-only", action="store_true", help="no reference; the first step, and its memory")
    parser.add_argument("--set", nargs="*", default=[], metavar="SETTING=VALUE", help="changes to ours: epochs=3")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(measured(arguments)))
    elif arguments.ours_only:
        answer = child("ours", arguments, arguments.steps or 0)
        later = f", later ones {answer['step_s']:.3f} s" if arguments.steps else ""
        print(f"ours: first step {answer['first_s']:.1f} s{later}, peak memory {answer['peak_gib']:.2f} GiB")
    else:
        compare(arguments)


def compare(arguments: argparse.Namespace) -> None:
    """The two in turn."""
    ratios, memory = [], {}
    for number in range(arguments.rounds):
        answers = {kind: child(kind, arguments, arguments.steps or 4) for kind in ("plain", "ours")}
        ratios.append(answers["plain"]["step_s"] / answers["ours"]["step_s"])
        memory = {kind: answer["peak_gib"] for kind, answer in answers.items()}
        times = ", ".join(f"{kind} {answer['step_s']:.3f} s" for kind, answer in answers.items())
        print(f"round {number + 1}: {times} a step, ratio {ratios[-1]:.2f}", flush=True)
    print("peak memory: " + ", ".join(f"{kind} {value:.2f} GiB" for kind, value in memory.items()))
    print(f"RATIO {statistics.median(ratios):.2f} (preset {arguments.preset}, batch {arguments.batch})")


def child(kind: str, arguments: argparse.Namespace, steps: int) -> dict[str, float]:
    """One measurement in a process of its own."""
    command = [sys.executable, __file__, "--child", kind, "--preset", arguments.preset]
    command += ["--batch", str(arguments.batch), "--steps", str(steps), "--set", *arguments.set]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def measured(arguments: argparse.Namespace) -> dict[str, float]:
    """Seconds of the first step, the median of the next ones, and the peak of this process's memory."""
    config = configured(arguments)
    plain = arguments.child == "plain"
    with contextlib.ExitStack() as stack:
        if plain:
            stack.enter_context(patch.object(SelfAttention, "forward", _explicit))
            stack.enter_context(patch.object(step_module, "classify", _one_after_the_other))
        accelerator = make_accelerator(config)
        nets = build_networks(config, CLASSES, accelerator)
        layout = torch.contiguous_format if plain else torch.channels_last
        if plain:
            for module in nets.modules().values():
                module.to(memory_format=layout)
            nets.optimizers = {name: unfused(optimizer) for name, optimizer in nets.optimizers.items()}
        nets.train()
        batch = images(config, arguments.batch, layout)
        seconds = []
        for step in range(arguments.steps + 1):
            start = time.perf_counter()
            step_module.train_step(nets, batch, config, accelerator, step)
            seconds.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"first_s": seconds[0], "step_s": statistics.median(seconds[1:] or seconds), "peak_gib": peak}


def configured(arguments: argparse.Namespace) -> Config:
    """The preset with random weights and the changes asked for; the reference without what makes ours fast."""
    changes = {name: yaml.safe_load(value) for name, _, value in (word.partition("=") for word in arguments.set)}
    config = make_config(arguments.preset, classifier_weights="none")
    if arguments.child == "plain":
        return config.changed(precision="fp32")
    return config.changed(**changes)


def images(config: Config, size: int, layout: torch.memory_format) -> Batch:
    """Random ones."""
    rng = torch.Generator().manual_seed(0)
    shape = (size, 3, config.preprocess.image_size, config.preprocess.image_size)
    image, average = (
        (torch.rand(shape, generator=rng) * 2 - 1).contiguous(memory_format=layout) for _ in range(2)
    )  # (B, 3, S, S) in [-1, 1]
    return Batch(image, average, torch.eye(CLASSES)[torch.arange(size) % CLASSES])


def unfused(optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """Adam as most code has it."""
    group = optimizer.param_groups[0]
    options = {name: group[name] for name in ("lr", "betas", "weight_decay")}
    return torch.optim.Adam(group["params"], fused=False, foreach=False, **options)


def _one_after_the_other(
    nets: Networks, batch: Batch, fake: Tensor, config: Config, phase: Phase
) -> tuple[Tensor, Tensor, int]:
    """Real and fake pairs through E in two batches."""
    outputs = [
        nets.classifier(*step_module.blanked(batch.image, face, config))
        for face in (batch.average, nets.system.as_read(fake))
    ]
    logits, features = (torch.cat(tensors) for tensors in zip(*outputs, strict=True))  # (2B, N), (2B, F)
    return logits, features, 2


def _explicit(self: SelfAttention, x: Tensor) -> Tensor:
    """Self-attention with the N x N map, as the ports in circulation have it."""
    query, key, value = (conv(x).flatten(2) for conv in (self.query, self.key, self.value))  # (B, K or C, N)
    attention = (query.transpose(1, 2) @ key).softmax(dim=-1)  # (B, N, K) x (B, K, N) -> (B, N, N)
    return x + self.gamma * (value @ attention.transpose(1, 2)).reshape(x.shape)  # (B, C, N) x (B, N, N)


if __name__ == "__main__":
    main()
