# Sourced by the scripts beside this folder: finds what is missing on this machine, and says
# how to get it, before anything slow starts.
# shellcheck shell=bash

missing=()

# need NAME FOUND HOW: remember one missing thing, with what was found and how to get it.
need() { missing+=("$(printf '  %s\n    found:  %s\n    to fix: %s' "$1" "$2" "$3")"); }

# at_least WANTED FOUND: whether version FOUND is WANTED or newer.
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

check_cargo() {
    local wanted found how
    wanted=$(sed -n 's/^rust-version *= *"\(.*\)"$/\1/p' Cargo.toml | head -n 1)
    if ! command -v cargo >/dev/null; then
        need "Rust $wanted or newer" "no cargo on PATH" "install rustup from https://rustup.rs, then: rustup toolchain install stable"
        return
    fi
    # Asked of rustc, which is what must be new enough; "rustc 1.95.0 (...)" and "rustc 1.96.0-nightly".
    found=$(rustc --version 2>/dev/null | sed -n 's/^rustc \([0-9.]*\).*/\1/p')
    how="rustup update stable"
    command -v rustup >/dev/null || how="install rustup from https://rustup.rs (this cargo is not managed by it)"
    at_least "$wanted" "${found:-0}" || need "Rust $wanted or newer" "rustc ${found:-that does not run}" "$how"
}

check_c_compiler() {
    command -v "${CC:-cc}" >/dev/null && return
    need "a C compiler (some Rust packages contain C)" "no ${CC:-cc} on PATH" \
        "Debian or Ubuntu: sudo apt-get install build-essential; Fedora: sudo dnf install gcc; macOS: xcode-select --install"
}

check_node() {
    local found how="install Node 18 or newer, with npm, from https://nodejs.org, or your system's packages (Debian or Ubuntu: sudo apt-get install nodejs npm)"
    if command -v node >/dev/null; then
        found=$(node --version | sed 's/^v//')
        at_least 18 "$found" || need "Node 18 or newer (it runs the Solidity compiler)" "node $found" "$how"
    else
        need "Node 18 or newer (it runs the Solidity compiler)" "no node on PATH" "$how"
    fi
    command -v npm >/dev/null || need "npm (it fetches the Solidity compiler)" "no npm on PATH" "$how"
}

# Print everything that is missing at once, and stop if anything is.
report_missing() {
    [ "${#missing[@]}" -eq 0 ] && return
    {
        echo "$(basename "$0"): ${#missing[@]} thing(s) missing on this machine:"
        printf '%s\n' "${missing[@]}"
    } >&2
    exit 1
}

# install_npm FOLDER WHAT: fetch what FOLDER/package-lock.json pins, unless it is already there.
install_npm() {
    local lock=$1/package-lock.json stamp=$1/node_modules/.package-lock.json
    if [ -f "$stamp" ] && [ ! "$lock" -nt "$stamp" ]; then return; fi
    echo "Fetching $2 (npm ci in $1) ..." >&2
    # No package here needs a script to run at its installation.
    if ! npm ci --prefix "$1" --ignore-scripts --no-audit --no-fund --loglevel=error >&2; then
        echo "$(basename "$0"): 'npm ci' in $1 failed: it needs the npm registry (see the lines above; 'npm ping' tests it)" >&2
        exit 1
    fi
}

install_solc() { install_npm scripts/solc "the Solidity compiler"; }

# The Ethereum node that the tests run on. Its package is for Linux on x86-64; elsewhere it is skipped, and the
# tests say how to get it.
install_anvil() { install_npm scripts/anvil "the development node anvil"; }

# What the tests of contracts/ as an npm package need.
install_contracts() { install_npm contracts "what the contracts' package is tested with"; }
