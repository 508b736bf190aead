#!/usr/bin/env bash
# onnxruntime 1.32.0 from PyPI, Linux x86-64, looked at in 2026-11.
# Expected: importing a library for inference only imports it; telemetry was a matter of Windows builds.
# Seen: import alone makes ~/.cache/Microsoft/DeveloperTools/.onnxruntime with a device id and a database of events to be
# sent, which hold the path of the Python program, system, processor and kind of container; an address is then looked up.
# Version 1.28.0 makes nothing. Telemetry on Linux came with 1.29.0.
# Instead: ORT_DISABLE_TELEMETRY=1 in the environment before the import; disable_telemetry_events() comes too late.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q onnxruntime==1.32.0 numpy==2.4.6

files_after() {  # what an import leaves in an empty home; "$@": the environment
    rm -rf "$tmp/home" && mkdir "$tmp/home"
    env HOME="$tmp/home" "$@" "$tmp/venv/bin/python" -c 'import onnxruntime as o; o.disable_telemetry_events()'
    find "$tmp/home" -type f | sed "s|$tmp/home/||" | sort
}

plain=$(files_after A=b)
off=$(files_after ORT_DISABLE_TELEMETRY=1)
echo "onnxruntime 1.32.0, files in an empty home after import:"
echo "$plain"
echo "with ORT_DISABLE_TELEMETRY=1: '${off}'"
grep -q 'DeveloperTools/.onnxruntime/deviceid' <<<"$plain" || { echo "behaviour has changed: no device id"; exit 1; }
grep -q 'DeveloperTools/.onnxruntime/onnxruntime.db' <<<"$plain" || { echo "behaviour has changed: no events"; exit 1; }
[ -z "$off" ] || { echo "behaviour has changed: the variable no longer helps"; exit 1; }

"$tmp/venv/bin/pip" install -q onnxruntime==1.28.0
[ -z "$(files_after A=b)" ] || { echo "behaviour has changed: 1.28.0 writes too"; exit 1; }
echo "same as in 2026-11: 1.32.0 writes a device id and events at import, 1.28.0 nothing"
