# Sourced by the scripts beside it: what they need of the machine, and how it gets there.
# shellcheck shell=bash

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target=${CARGO_TARGET_DIR:-$repository/target}
# A relative target folder is relative to where the script was called, for cargo as for us.
case $target in /*) ;; *) target=$PWD/$target ;; esac
export CARGO_TARGET_DIR=$target

# A command and the Debian package that has it.
demo_needs=(ip:iproute2 nft:nftables radvd:radvd ping:iputils-ping traceroute:traceroute curl:curl
    gcc:gcc timeout:coreutils)
test_needs=("${demo_needs[@]}" tcpdump:tcpdump ndisc6:ndisc6 rdisc6:ndisc6 wg:wireguard-tools
    wg-quick:wireguard-tools wireguard-go:wireguard-go strace:strace faketime:faketime setpriv:util-linux taskset:util-linux
    iperf3:iperf3 ethtool:ethtool jq:jq systemctl:systemd systemd-analyze:systemd
    dpkg-deb:dpkg xz:xz-utils readelf:binutils nsenter:util-linux)
package_needs=(gcc:gcc dpkg-deb:dpkg xz:xz-utils readelf:binutils jq:jq)
windows_package_needs=(wixl:wixl msibuild:msitools osslsigncode:osslsigncode update-ca-certificates:ca-certificates
    zip:zip jq:jq x86_64-w64-mingw32-windres:binutils-mingw-w64-x86-64)

# What runs on Windows as well.
# shellcheck disable=SC2034
windows_packages=(-p v6tun-files -p v6tun-keys -p v6tun-proto -p v6tun-host -p v6tun-cli -p v6tun-wire -p v6tun-client)

# Runs a command with cargo's settings for Windows, in a target folder of its own.
for_windows() {
    (
        export CARGO_TARGET_DIR=$target/windows
        # shellcheck source=tests/windows/env
        . "$repository/tests/windows/env"
        "$@"
    )
}

stop() {
    printf '%s: %s\n' "$(basename "$0")" "$1" >&2
    [ -z "${2-}" ] || printf 'hint: %s\n' "$2" >&2
    exit 1
}

# Prints the packages that the commands in the arguments lack, each once.
missing_packages() {
    local need
    for need in "$@"; do
        command -v "${need%%:*}" >/dev/null || printf '%s\n' "${need##*:}"
    done | sort -u
    # gcc links programs only with the C library's own start files.
    [ -e /usr/include/stdio.h ] || [ ! -e /etc/debian_version ] || echo libc6-dev
}

require_cargo() {
    # sudo drops the folder that rustup installs into.
    local home
    for home in "$HOME" "$(getent passwd "${SUDO_USER:-root}" | cut -d: -f6)"; do
        command -v cargo >/dev/null || PATH=$PATH:$home/.cargo/bin
    done
    command -v cargo >/dev/null || stop "cargo is not installed" "https://rustup.rs"
}

require_root() {
    [ "$(id -u)" = 0 ] ||
        stop "root is needed: the lab is made of network namespaces" "sudo -E $0"
}

require_tun() {
    [ -c /dev/net/tun ] || modprobe tun 2>/dev/null || true
    [ -c /dev/net/tun ] || stop "/dev/net/tun is missing" \
        "modprobe tun; in a container, start it with --device /dev/net/tun --cap-add NET_ADMIN --cap-add SYS_ADMIN"
    (: <>/dev/net/tun) 2>/dev/null || stop "/dev/net/tun cannot be opened" \
        "in a container, start it with --device /dev/net/tun --cap-add NET_ADMIN --cap-add SYS_ADMIN"
}

require_namespaces() {
    local name="v6t-$$-trial"
    ip netns add "$name" 2>/dev/null || stop "this machine lets nobody make network namespaces" \
        "in a container, start it with --privileged, or with --cap-add NET_ADMIN --cap-add SYS_ADMIN"
    ip netns del "$name"
}

# Installs what of the arguments is missing; asks first if somebody sits at the terminal.
install_missing() {
    local packages answer
    packages=$(missing_packages "$@" | tr '\n' ' ')
    [ -n "${packages// /}" ] || return 0
    command -v apt-get >/dev/null || stop "missing: $packages" "install these, as this system's packages are called"
    echo "These Debian packages are missing and will be installed by apt-get: $packages"
    if [ -t 0 ]; then
        read -r -p "Go on? [y/N] " answer
        case $answer in [yY]*) ;; *) stop "missing: $packages" "apt-get install $packages" ;; esac
    fi
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $packages </dev/null ||
        { apt-get update </dev/null &&
            DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $packages </dev/null; } ||
        stop "apt-get could not install: $packages" "apt-get update; apt-get install $packages"
}
