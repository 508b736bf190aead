#!/usr/bin/env bash
# opencv-python-headless 5.0.0.93 beside 4.11.0.86, looked at in 2026-11.
# Expected: the usual first face detector, cv2.CascadeClassifier with the xml files under
# cv2.data.haarcascades, is still in the main wheel of OpenCV 5.
# Seen: the class is gone, and so are HOGDescriptor and cv2.dnn.readNetFromCaffe.
# The attribute cv2.data.haarcascades is still there, but its folder holds no xml file,
# so a check for the attribute says yes and the file then is not found.
# Instead: pin opencv below 5 to compare with old detectors, or use cv2.FaceDetectorYN,
# which stays in the main wheel (its model file comes from elsewhere).
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cat > "$tmp/look.py" <<'PY'
import os
import sys
import cv2

seen = {
    "CascadeClassifier": hasattr(cv2, "CascadeClassifier"),
    "HOGDescriptor": hasattr(cv2, "HOGDescriptor"),
    "readNetFromCaffe": hasattr(cv2.dnn, "readNetFromCaffe"),
    "data.haarcascades": hasattr(cv2.data, "haarcascades"),
    "xml files": sum(n.endswith(".xml") for n in os.listdir(cv2.data.haarcascades)) > 0,
    "FaceDetectorYN": hasattr(cv2, "FaceDetectorYN"),
}
print("OpenCV", cv2.__version__)
print("expected: all True")
print("observed:", seen)
absent = {name for name, there in seen.items() if not there}
gone = {"CascadeClassifier", "HOGDescriptor", "readNetFromCaffe", "xml files"}
assert absent == (gone if sys.argv[1] == "5" else set()), "behaviour has changed"
PY
for version in 4.11.0.86 5.0.0.93; do
  python3 -m venv --clear "$tmp/venv"
  "$tmp/venv/bin/pip" install -q "opencv-python-headless==$version" numpy==2.2.6
  "$tmp/venv/bin/python" "$tmp/look.py" "${version%%.*}"
done
echo "same as in 2026-11"
