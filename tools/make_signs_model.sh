#!/usr/bin/env bash
# Makes models/signs from GTSRB, GTSDB, drawn signs, ImageNet features and a road
# video (docs/training.md).
#
#   tools/make_signs_model.sh [DATA [WORK]]
#
# DATA holds gtsrb/, gtsdb/, sign_drawings/, weights/ and drive/ (default: the
# folder "shared" beside the checkout); WORK takes the run (default: build/signs).
# A killed run goes on where it was when the script is started again.
set -euo pipefail
cd "$(dirname "$0")/.."
data=${1:-../shared}
work=${2:-build/signs}
package=$work/package/signs
gtsrb=(--data "$work/train.csv" --images "$data"/gtsrb/train-?.tar)
frames=(--frames "$data/gtsdb/annotations.json" --crops "$work/train.csv" "$work/drawings.csv"
  --background-video "$data/drive/solidWhiteRight.mp4")
python -m tools.training_split "$data" "$work"
cp "$data/gtsrb/labels.csv" "$work/"

# 1. The finder.
alexnet_ros train-finder --recipe config/recipes/finder.yaml "${frames[@]}" \
  --output "$work/finder"

# 2. The world's crops: what the finder gives on road frames, the hardest first by
#    the classifier that is bundled now, and what is made.
rm -rf "$work/before" && cp -r models/signs "$work/before"
alexnet_ros export-finder "$work/finder/checkpoint.safetensors" "${frames[@]}" \
  --package "$work/before"
for side in "" --held-out; do
  world=$work/world$side
  [ -f "$world/crops.csv" ] && continue
  python -m tools.open_world "$data" "$world.json" $side --find "$work/before"
  python -m tools.open_world "$data" "$world" $side --mined "$world.json"
done

# 3. The classifier, from ImageNet's convolutions.
alexnet_ros train --recipe config/recipes/signs.yaml "${gtsrb[@]}" \
  --initial "$data/weights/alexnet-imagenet-features.npz" \
  --added-data "$work/world/crops.csv" \
  --background-video "$data/drive/solidWhiteRight.mp4" --output "$work/classifier"

# 4. The package, measured.
alexnet_ros export "$work/classifier/checkpoint.safetensors" "${gtsrb[@]}" --role sign \
  --licence Apache-2.0 --negatives "$work/world--held-out/crops.csv" --output "$package"
alexnet_ros export-finder "$work/finder/checkpoint.safetensors" "${frames[@]}" \
  --min-score 0.01 --package "$package"
alexnet_ros evaluate --model "$package" --hold-out-every 8 \
  --manifest "$data/gtsrb/train.csv" --images "$data"/gtsrb/train-?.tar \
  --report "$work/report"
echo "made $package; copy it to models/signs to ship it"
