#!/bin/sh
# Keep a report and the records of its runs, without their weights: results/keep.sh REPORT RUNS results/NAME
# Pictures of the first fold stay, so that the report can be written again.
set -eu
report=$1 runs=$2 out=$3
mkdir -p "$out"
find "$report" -maxdepth 1 -type f -exec cp {} "$out" \;
(cd "$report" && find . -mindepth 2 -maxdepth 2 -name results.json) | while read -r file; do
    mkdir -p "$out/$(dirname "$file")"
    cp "$report/$file" "$out/$file"
done
find "$runs" -type f ! -path '*/checkpoint/*' ! -path '*/average_faces/*' ! -name results.json \( ! -name '*.png' -o -path '*/fold-0/*_test.png' \) ! -name 'report.html' |
    while read -r file; do
        target=$out/runs/${file#"$runs"/}
        mkdir -p "$(dirname "$target")"
        cp "$file" "$target"
    done
