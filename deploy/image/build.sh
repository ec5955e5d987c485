#!/usr/bin/env bash
# build.sh TARGET TAG BASE: builds a target of the Dockerfile with buildah, which needs no daemon.
# Times in the image are zero and Python's hashes are not random, so that the same files make the same layers: of a new
# commit only the last one is new. The commit's time is in a label. pip works as it does on this
# machine: its settings and certificates are mounted for the build only, and do not get into the image.
set -euo pipefail
cd "$(dirname "$0")/../.."

target=${1:?target} tag=${2:?tag} base=${3:?base image}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

mounts=()
certificates=/etc/ssl/certs/ca-certificates.crt
if [ -f "$certificates" ] && [ -f /etc/pip.conf ]; then
  { cat /etc/pip.conf && printf '[install]\ncert = /run/build-certificates.crt\n'; } > "$folder/pip.conf"
  mounts=(--volume "$certificates:/run/build-certificates.crt:ro" --volume "$folder/pip.conf:/etc/pip.conf:ro")
fi

cache=--layers
[ -z "${NO_CACHE:-}" ] || cache=--no-cache

buildah bud --pull-never --isolation chroot --network host --layers "$cache" --format oci --timestamp 0 \
  --build-arg "BASE=$base" \
  --build-arg "VERSION=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)" \
  --build-arg "REVISION=$(git rev-parse HEAD)" \
  --build-arg "CREATED=$(git log -1 --format=%cI)" \
  --build-arg "SOURCE=${SOURCE:-unknown}" \
  "${mounts[@]}" --target "$target" --tag "$tag" .
