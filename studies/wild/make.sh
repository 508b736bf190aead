#!/usr/bin/env bash
# Makes the model in the package, ifgan-wild, from FER2013's images with FER+'s votes and from rendered people.
#
#     bash studies/wild/make.sh FER2013 FACES_WILD WORK [PROCESSES]
#
# FER2013: an .npz or a folder that `ifgan prepare fer2013` reads, votes included (docs/data/fer2013.md). FACES_WILD: a
# folder of photographs with labels.csv, which is only looked at in the end. WORK: a folder; whatever is finished there
# is kept, so that a run that was cut off goes on. PROCESSES: one a core, 2 unless given. Needs
# pip install ".[train,light,synthetic]". WORK/ifgan-wild.onnx is the model; predictions.parquet and
# metrics.json beside this script are what it says and how right it is.
set -euo pipefail
fer=$1 wild=$2 work=$3 processes=${4:-2}
export OMP_NUM_THREADS=1 ACCELERATE_USE_CPU=${ACCELERATE_USE_CPU:-1}
export GLIBC_TUNABLES=${GLIBC_TUNABLES:-glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=8589934592}

ifgan() { python -m ifgan "$@"; }
train() { python -m torch.distributed.run --standalone --nproc-per-node "$processes" -m ifgan.cli train --resume "$@"; }

# Ten voters' labels: their distribution is taught; validation asks for the most voted.
ifgan prepare fer2013 "$fer" --labels probabilistic --align --out "$work/votes"
# What G aims at: average faces of people who don't exist, so that nobody is on them.
ifgan synthesize --out "$work/people" --subjects 60 --seed 1 --contempt
ifgan prepare bu3dfe "$work/people" --levels 04 --neutral --contempt --out "$work/rendered"

common=(
  --data "$work/votes" --averages "$work/rendered" --leaks drop --preset cpu --optimizer.batch-size 64
  --preprocess.center-crop-zoom 1.25 --preprocess.grey true --preprocess.hist-equalize true
  --preprocess.downsample-px 64 --preprocess.rotation-deg 12 --preprocess.scale-jitter 0.15
  --preprocess.random-erasing 0.25 --preprocess.random-blur 0.2
  --classifier.targets votes --classifier.dropout 0.2 --classifier.tta-inputs "[image]"
  --losses.class-balance 0.3 --losses.island 0 --optimizer.weights-ema 0.998
)
train "${common[@]}" --method baseline --optimizer.epochs 15 --optimizer.learning-rate 1e-3 \
  --optimizer.decoupled-decay true --optimizer.weight-decay 0.02 --out "$work/classifier"
# G is that of the version before, whose training nobody can repeat: joint training of the new E is what comes next.
ifgan export "$work/classifier" --generator "${GENERATOR:-ifgan-wild}" --out "$work/ifgan-wild.onnx"

# What the model card tells: PublicTest by either rule of labels, faces-wild, rendered people whom nothing has seen.
for labels in majority original; do
  ifgan prepare fer2013 "$fer" --labels $labels --part validation --align --out "$work/$labels"
done
ifgan prepare folder "$wild" --out "$work/faces-wild" || [ $? = 1 ]  # in some no face is found
ifgan synthesize --out "$work/raw-40" --subjects 40 --seed 40
ifgan synthesize --out "$work/raw-600" --subjects 600 --seed 11  # whom the comparisons of methods test, too
for people in 40 600; do ifgan prepare bu3dfe "$work/raw-$people" --out "$work/people-$people"; done
[ -e "$work/model/done" ] || ifgan export "$work/ifgan-wild.onnx" --format run --out "$work/model"
for data in majority original faces-wild people-600; do
  ifgan evaluate "$work/model" --data "$work/$data" --people all
done
ifgan leakage "$work/model" --data "$work/people-40" --people all --out "$work/leakage-people-40"
ifgan leakage "$work/model" --data "$work/faces-wild" --people all --groups picture --out "$work/leakage-faces-wild"
ifgan audit "$work/model" --data "$work/people-600" --out "$work/audit"
ifgan figure transfer "$work/model" --data "$work/faces-wild" --people all --without-inputs --count 8 --out "$work/drawn.png"

# The study's files: predictions.parquet, and metrics.json, whose peers are benchmarks/peers.py's.
python - "$work" "$(dirname "$0")" <<'PY'
import sys
from pathlib import Path

import pandas as pd

from ifgan.experiments.study_files import write_predictions
from ifgan.experiments.study_report import predictions_metrics
from ifgan.files import read_json, write_json
from ifgan.labels import EXPRESSIONS

work, study = map(Path, sys.argv[1:])
tables = []
for data, called in (("majority", "PublicTest, FER+"), ("original", "PublicTest"), ("faces-wild", "faces-wild")):
    path = work / "model" / f"predictions_{data}.csv"
    table = pd.read_csv(path, dtype={"image": str, "subject": str}, keep_default_na=False)
    tables.append(table.drop(columns="predicted").assign(run="ifgan-wild", data=called))
table = pd.concat(tables, ignore_index=True)
labels = [name for name in EXPRESSIONS if name in table]
table[labels] = table[labels].astype(float).round(4).astype("float32")
write_predictions(study, table)
metrics = predictions_metrics(study)
metrics["leakage"] = {name: read_json(work / f"leakage-{name}" / "leakage.json") for name in ("people-40", "faces-wild")}
metrics["audit"] = read_json(work / "audit" / "audit.json")
metrics["peers"] = read_json(study / "metrics.json")["peers"]
write_json(study / "metrics.json", metrics)
PY
