#!/usr/bin/env bash
# huggingface_hub 2.4.0 with torch 2.14.1, looked at in 2026-11 (a download of some gigabytes).
# Expected: PyTorchModelHubMixin.from_pretrained is as strict as torch's load_state_dict
# and raises when the weight file lacks a layer or brings one that is not known.
# Seen: strict is False by default. A file in which the last layer has another name loads
# without error or warning, and the last layer keeps its random start values.
# The answers then are chance, and other ones after each loading.
# Instead: pass strict=True in each call of from_pretrained.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q huggingface_hub==2.4.0 torch==2.14.1 safetensors==0.8.0 numpy==2.4.6 packaging==26.4
cd "$tmp"

HF_HUB_OFFLINE=1 HF_HOME="$tmp/home" "$tmp/venv/bin/python" -W error - <<'PY'
import huggingface_hub
import safetensors.torch
import torch
from huggingface_hub import PyTorchModelHubMixin

class Net(torch.nn.Module, PyTorchModelHubMixin):
    def __init__(self):
        super().__init__()
        self.body = torch.nn.Linear(8, 8)
        self.head = torch.nn.Linear(8, 7)

saved = Net()
saved.save_pretrained("model")
weights = safetensors.torch.load_file("model/model.safetensors")
renamed = {name.replace("head.", "last."): value for name, value in weights.items()}
safetensors.torch.save_file(renamed, "model/model.safetensors")

print("huggingface_hub", huggingface_hub.__version__)
print("expected: an error that names head.weight and last.weight")
one, two = Net.from_pretrained("model"), Net.from_pretrained("model")
print("observed: loaded; body as saved:", torch.equal(one.body.weight, saved.body.weight),
      "- head as saved:", torch.equal(one.head.weight, saved.head.weight),
      "- head alike in two loadings:", torch.equal(one.head.weight, two.head.weight))
assert torch.equal(one.body.weight, saved.body.weight), "the body is not loaded"
assert not torch.equal(one.head.weight, two.head.weight), "behaviour has changed"
try:
    Net.from_pretrained("model", strict=True)
except RuntimeError as error:
    assert "head.weight" in str(error) and "last.weight" in str(error)
else:
    raise SystemExit("strict=True does not raise any more")
print("same as in 2026-11; strict=True raises")
PY
