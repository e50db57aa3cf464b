# What parts of setup.sh that have a Python environment of their own share; setup.sh sources this file.
# shellcheck shell=bash

# For part $1: a virtual environment of its own in folder $2 with the packages of requirements file $3, made anew when they
# or the Python changed. What happens goes to the log beside the folder.
install_environment() {
    local part=$1 folder=$2 requirements=$3 python stamp
    python=$(find_python)
    stamp="$("$python" --version) $(sha256sum "$requirements" | cut -d ' ' -f 1)"
    [[ $(cat "$folder/.installed" 2>/dev/null) != "$stamp" ]] || return 0
    doing "$part" "installing ${folder##*/} (log: $folder.log)"
    rm -f "$folder/.installed"
    {
        "$python" -m venv --clear "$folder" &&
            retry "$folder/bin/python" -m pip --quiet --disable-pip-version-check --retries 2 --timeout 30 \
                install --require-hashes --only-binary=:all: -r "$requirements"
    } >"$folder.log" 2>&1 </dev/null || return 1
    echo "$stamp" >"$folder/.installed"
}
