# Sourced by the scripts that make packages, after tests/requirements.sh: what all packages have alike.
# shellcheck shell=bash disable=SC2154

cd "$repository"
umask 022
export LC_ALL=C TZ=UTC
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
# What the packages say of their time: the commit's, or the release's where there is no history.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -c safe.directory="$repository" log -1 --format=%ct 2>/dev/null ||
    stat --format=%Y CHANGELOG.md)}
export SOURCE_DATE_EPOCH
packages=$target/packages

# Arguments: a flag of rustc, then those of `cargo build`, with a target that is named: the flags are not for build
# scripts and proc macros, and disturb no other build.
compile_with() {
    CARGO_ENCODED_RUSTFLAGS=$(printf '%s\037' "$1" \
        "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo")--remap-path-prefix=$repository=v6tun \
        cargo build --locked --release "${@:2}"
}

# What there is to read: the folder that it goes into, the target, the packages of the programs.
documents() {
    install -m 644 README.md CHANGELOG.md "$1"
    # Where the README's links lead.
    install -d -m 755 "$1/docs"
    install -m 644 docs/*.md "$1/docs"
    packaging/notices "${@:2}" >"$1/THIRD-PARTY-NOTICES"
}

# The commit's time for all that was put together.
settle() {
    find "$1" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
}
