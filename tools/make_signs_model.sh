#!/usr/bin/env bash
# Makes models/signs from GTSRB, GTSDB, drawn signs, ImageNet features and a road
# video (docs/training.md).
#
#   tools/make_signs_model.sh [DATA [WORK]]
#
# DATA holds gtsrb/, gtsdb/, sign_drawings/, weights/ and drive/ (default: the
# folder "shared" beside the checkout); WORK takes the run (default: build/signs).
# A killed run goes on where it was when the script is started again. In all about
# three hours on two quiet cores.
set -euo pipefail
cd "$(dirname "$0")/.."
data=${1:-../shared}
work=${2:-build/signs}
package=$work/package/signs
gtsrb=(--data "$data/gtsrb/train.csv")
frames=(--frames "$data/gtsdb/annotations.json" --crops "$data/gtsrb/train.csv"
  --drawings "$data/sign_drawings/drawings.csv"
  --background-video "$data/drive/solidWhiteRight.mp4")

# 1. The 43 classes, from ImageNet's convolutions; made negatives.
alexnet_ros train --recipe config/recipes/signs.yaml "${gtsrb[@]}" \
  --initial "$data/weights/alexnet-imagenet-features.npz" \
  --background-video "$data/drive/solidWhiteRight.mp4" --output "$work/base"

# 2. The finder.
alexnet_ros train-finder --recipe config/recipes/finder.yaml "${frames[@]}" \
  --output "$work/finder"

# 3. What the finder gives on road frames, the hardest first by the base classifier.
base=$work/base/package/signs
alexnet_ros export "$work/base/checkpoint.safetensors" "${gtsrb[@]}" --licence Apache-2.0 --output "$base"
alexnet_ros export-finder "$work/finder/checkpoint.safetensors" "${frames[@]}" --package "$base"
for side in "" --held-out; do
  world=$work/world$side
  python -m tools.open_world "$data" "$world.json" $side --find "$base"
  python -m tools.open_world "$data" "$world" $side --mined "$world.json"
done

# 4. The open world, from the base's weights.
alexnet_ros train --recipe config/recipes/signs_open_world.yaml "${gtsrb[@]}" \
  --initial "$work/base/checkpoint.safetensors" --added-data "$work/world/crops.csv" \
  --background-video "$data/drive/solidWhiteRight.mp4" --output "$work/open"

# 5. The package, measured.
alexnet_ros export "$work/open/checkpoint.safetensors" "${gtsrb[@]}" --licence Apache-2.0 --version 2.0.0 \
  --negatives "$work/world--held-out/crops.csv" --output "$package"
alexnet_ros export-finder "$work/finder/checkpoint.safetensors" "${frames[@]}" \
  --package "$package"
alexnet_ros evaluate --model "$package" \
  --manifest "$data/gtsrb/train.csv" --images "$data"/gtsrb/train-?.tar --hold-out-every 8 \
  --background "$data/drive/solidWhiteRight.mp4" --background-from 0.6667 \
  --report "$work/report"
echo "made $package; copy it to models/signs to ship it"
