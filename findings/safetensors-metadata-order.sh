#!/usr/bin/env bash
# safetensors 0.8.0, looked at in 2026-11.
# Expected: the same tensors with the same metadata give the same bytes, so that
# a checksum tells whether a weight file has changed.
# Seen: with one metadata key that is so. With several keys their order in the header
# is drawn anew in each process, and the checksum changes from run to run.
# Instead: put everything into one key as a JSON text with sorted keys, or take
# the checksum over the tensors and not over the file.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q safetensors==0.8.0 numpy==2.4.6
cat > "$tmp/save.py" <<'PY'
import hashlib
import sys
import numpy as np
from safetensors.numpy import save

notes = {f"key{i}": "value" for i in range(int(sys.argv[1]))}
print(hashlib.sha256(save({"weight": np.zeros(3, np.float32)}, metadata=notes)).hexdigest())
PY

different() { # how many checksums come out of eight processes
  for _ in 1 2 3 4 5 6 7 8; do "$tmp/venv/bin/python" "$tmp/save.py" "$1"; done | sort -u | wc -l
}
one=$(different 1)
six=$(different 6)
"$tmp/venv/bin/python" -c 'import safetensors; print("safetensors", safetensors.__version__)'
echo "expected: 1 checksum from eight runs, with one key and with six keys"
echo "observed: one key $one, six keys $six"
[ "$one" -eq 1 ] || { echo "one key is not stable any more" >&2; exit 1; }
[ "$six" -gt 1 ] || { echo "behaviour has changed: several keys are stable now" >&2; exit 1; }
echo "same as in 2026-11"
