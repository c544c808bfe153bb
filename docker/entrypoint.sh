#!/usr/bin/env bash
# Build the engine into the volume if it is not there, then run the command.
set -eo pipefail
source "/opt/ros/${ROS_DISTRO}/setup.bash"
source /ws/install/setup.bash

# A machine without a usable GPU still runs, on ONNX Runtime; the node says so.
if [ "${BUILD_ENGINE:-1}" = 1 ]; then
  ros2 run alexnet_ros alexnet_ros build --model "${MODEL}" --backend "${BACKEND}" ||
    echo "no engine was built (see above); the node decides what to run on" >&2
fi
exec "$@"
