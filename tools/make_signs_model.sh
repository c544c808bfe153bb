#!/usr/bin/env bash
# Makes models/signs from GTSRB, ImageNet features and a road video (docs/training.md).
#
#   tools/make_signs_model.sh [DATA [WORK]]
#
# DATA holds gtsrb/, weights/ and drive/ (default: the folder "shared" beside the
# checkout); WORK takes the run (default: build/signs). A killed run goes on where
# it was when the script is started again.
set -euo pipefail
cd "$(dirname "$0")/.."
data=${1:-../shared}
work=${2:-build/signs}

alexnet_ros train --recipe config/recipes/signs.yaml \
  --data "$data/gtsrb/train.csv" \
  --initial "$data/weights/alexnet-imagenet-features.npz" \
  --background-video "$data/drive/solidWhiteRight.mp4" \
  --output "$work"
alexnet_ros export "$work/checkpoint.safetensors" \
  --data "$data/gtsrb/train.csv" --output "$work/package/signs"
alexnet_ros evaluate --model "$work/package/signs" \
  --manifest "$data/gtsrb/train.csv" --images "$data"/gtsrb/train-?.tar --hold-out-every 8 \
  --background "$data/drive/solidWhiteRight.mp4" --background-from 0.6667 \
  --report "$work/report"
echo "made $work/package/signs; copy it to models/signs to ship it"
