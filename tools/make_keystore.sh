#!/usr/bin/env bash
# Make an SROS2 keystore with the enclaves of config/security/policy.xml, or of a policy that
# tools/make_policy.py wrote for your own parameters and remaps.
# Needs the ros2 command with sros2 (apt package ros-$ROS_DISTRO-sros2).
set -euo pipefail

if [ $# -lt 1 ] || [ $# -gt 2 ] || [ "${1#-}" != "$1" ]; then
  echo "usage: tools/make_keystore.sh KEYSTORE_FOLDER [POLICY_FILE]" >&2
  exit 2
fi
keystore=$1
policy=${2:-$(cd "$(dirname "$0")/../config/security" && pwd)/policy.xml}
if ! ros2 security --help >/dev/null 2>&1; then
  echo "make_keystore: 'ros2 security' is missing; source ROS 2 and install its sros2 package" >&2
  exit 1
fi

umask 077  # private keys are for their owner alone
[ -d "$keystore/enclaves" ] || ros2 security create_keystore "$keystore"
for enclave in $(sed -n 's/.*<enclave path="\([^"]*\)".*/\1/p' "$policy"); do
  [ -d "$keystore/enclaves$enclave" ] || ros2 security create_enclave "$keystore" "$enclave"
  ros2 security create_permission "$keystore" "$enclave" "$policy"
done
cat <<EOF
Keystore: $keystore
Start each node in its own enclave:
  export ROS_SECURITY_KEYSTORE=$(cd "$keystore" && pwd) ROS_SECURITY_ENABLE=true ROS_SECURITY_STRATEGY=Enforce
  ros2 run alexnet_ros classifier --ros-args --enclave /alexnet_ros/classifier
  ros2 run alexnet_ros sign_navigator --ros-args --enclave /alexnet_ros/navigator
Keep $keystore/private off the robot: it signs permissions.
EOF
