#!/usr/bin/env bash
# .setup/full_disk.sh COMMAND…: runs a command with a file system of 256 MB that nobody else sees, as whoever calls this. It is
# TMPDIR and PADAN_SMALL_DISK, and goes with the command. To mount it takes root, or sudo without a password.
set -euo pipefail

if [[ ${1:-} == --inside ]]; then
    disk=$2 user=$3 group=$4
    shift 4
    mount -t tmpfs -o size=256m,mode=1777 padan "$disk"
    exec setpriv --reuid "$user" --regid "$group" --init-groups env TMPDIR="$disk" PADAN_SMALL_DISK="$disk" "$@"
fi

as_root=()
if ((EUID != 0)); then
    as_root=(sudo -n)
    if ! sudo -n true 2>/dev/null; then
        echo 'A small file system has to be mounted: run this as root, or with a sudo that asks for no password.' >&2
        exit 1
    fi
fi
# What sudo takes away and the command needs.
kept=(HOME="$HOME" PATH="$PATH")
for name in CARGO_HOME CARGO_TARGET_DIR RUSTUP_HOME ORT_DISABLE_TELEMETRY; do
    if [[ -n ${!name:-} ]]; then
        kept+=("$name=${!name}")
    fi
done
disk=$(mktemp -d)
trap 'rmdir "$disk"' EXIT
"${as_root[@]}" unshare --mount -- "${BASH_SOURCE[0]}" --inside "$disk" "$EUID" "$(id -g)" env "${kept[@]}" "$@"
