"""The synthetic posed set: people who don't exist, showing expressions whose action units are known."""

from ifgan.data.synthetic.generate import SynthesisReport, synthesize

__all__ = ["SynthesisReport", "synthesize"]
