#!/usr/bin/env bash
# shellcheck disable=SC2016 # what is in single quotes is for others to expand
# Prints the name of the image to build on: the Dockerfile's, by its digest, where it can be pulled, or else a stand-in for
# it, made of the same Debian release's packages by the machine's own package mirror. The stand-in has Debian's build of
# Python 3.13.
set -euo pipefail

pinned=$(sed -n 's/^ARG BASE=//p' "$(dirname "$0")/../../Dockerfile" | head -n 1)
real=${pinned%%:*}@${pinned#*@} # Podman does not take a tag beside a digest
stand_in=localhost/python-stand-in:3.13-trixie

if buildah pull --quiet --policy always "$real" >/dev/null 2>&1; then
  echo "$real"
  exit
fi
if ! podman image exists "$stand_in"; then
  echo "$real can't be pulled here: a stand-in is made of Debian packages" >&2
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | head -n 1)
  mmdebstrap --quiet --variant=minbase --include=ca-certificates,netbase,python3,python3-pip-whl,python3-venv,tzdata \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt=force-unsafe-io \
    --customize-hook='ln -s /usr/bin/python3 "$1/usr/local/bin/python"; ln -s /usr/bin/python3 "$1/usr/local/bin/python3"' \
    trixie "$folder/base.tar" "deb $mirror trixie main" >&2
  podman import --quiet --change 'CMD ["python3"]' \
    --change 'ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin' "$folder/base.tar" "$stand_in" >&2
fi
echo "$stand_in"
