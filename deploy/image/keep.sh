#!/usr/bin/env bash
# keep.sh TAG FILE: writes an image as an OCI archive, and takes it back from there under the same tag, so that what is
# tested from now on is what the archive has. A release pushes the archive as it is.
set -euo pipefail

tag=${1:?tag} file=${2:?file}
mkdir -p "$(dirname "$file")"
rm -f "$file"
podman push --quiet --format oci "$tag" "oci-archive:$file"
podman untag "$tag"
image=$(podman pull --quiet "oci-archive:$file")
podman tag "$image" "$tag"
