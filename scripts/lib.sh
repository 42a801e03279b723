# shellcheck shell=bash
# Shared by the scripts beside it; sourced, not run. Makes the environment .venv and installs what is missing.
# A second start finds stamps of what was installed and goes on at once.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv
cd "$root" || exit

say() { printf '%s\n' "$*" >&2; }

# The newest Python from 3.11 on that this machine has.
find_python() {
    local name
    for name in python3 python3.14 python3.13 python3.12 python3.11; do
        if command -v "$name" >/dev/null && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    say "Python 3.11 or newer is needed and was not found; install it, for example: apt-get install python3 python3-venv"
    return 2
}

# One short name for all the given text.
fingerprint() { sha256sum | cut -c1-16; }

# Run a command and keep its words to itself unless it fails.
quietly() {
    local log
    log=$(mktemp)
    if ! "$@" >"$log" 2>&1 </dev/null; then
        tail -n 30 "$log" >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
}

# Install the system packages of the groups named, where they are missing and where we may.
ensure_packages() {
    local group package missing=() stamp as_root=()
    command -v apt-get >/dev/null || return 0 # another system: what is missing will say so when it is used
    stamp=$root/.cache/packages-$(cat scripts/system-packages.txt - <<<"$*" | fingerprint)
    [[ -e $stamp ]] && return 0
    while read -r group package _; do
        [[ " $* " == *" $group "* ]] || continue
        # Names of newer releases end in t64 and stand for the same package; dpkg-query fails for the one that is not.
        grep -qx installed <(dpkg-query -W -f='${db:Status-Status}\n' "$package" "${package}t64" 2>/dev/null) ||
            missing+=("$package")
    done < <(grep -v '^#' scripts/system-packages.txt)
    if ((${#missing[@]})); then
        if ((EUID)); then
            if ! sudo -n true 2>/dev/null; then
                say "missing system packages; for all features run: sudo apt-get install ${missing[*]}"
                return 0
            fi
            as_root=(sudo -n)
        fi
        say "installing system packages: ${missing[*]}"
        local install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends)
        if ! quietly "${install[@]}" "${missing[@]}"; then
            say "trying again with a fresh list of packages"
            quietly "${as_root[@]}" apt-get update || true
            if ! quietly "${install[@]}" "${missing[@]}"; then
                say "could not install: ${missing[*]}; going on without"
                return 0
            fi
        fi
    fi
    mkdir -p "$root/.cache"
    touch "$stamp"
}

# Make .venv hold this project with the extras named (comma-separated), as pyproject.toml has them now.
ensure_venv() {
    local extras=$1 python stamp made_for
    # A moved folder needs a new environment, because programs in it hold its path; so does another ONNX Runtime,
    # because two of them overwrite each other.
    made_for="$root ${extras%%,*}"
    if [[ ! -x $venv/bin/python || $(cat "$venv/.made-for" 2>/dev/null) != "$made_for" ]]; then
        python=$(find_python)
        say "making the environment .venv with $("$python" --version)"
        rm -rf "$venv"
        quietly "$python" -m venv "$venv"
        printf '%s\n' "$made_for" >"$venv/.made-for"
    fi
    stamp=$venv/.stamp-$(cat pyproject.toml - <<<"$extras" | fingerprint)
    [[ -e $stamp ]] && return 0
    # Before it had its present name it was installed as `streamer`: removed later, that would take the command along.
    if compgen -G "$venv/lib/python*/site-packages/streamer-[0-9]*.dist-info" >/dev/null; then
        quietly "$venv/bin/python" -m pip uninstall --disable-pip-version-check --yes streamer
    fi
    say "installing streamer-anonymizer[$extras] into .venv"
    quietly "$venv/bin/python" -m pip install --disable-pip-version-check --editable ".[$extras]"
    touch "$stamp"
}
