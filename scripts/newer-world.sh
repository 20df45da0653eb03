#!/usr/bin/env bash
# Runs a command in a second world: another suite of Debian than this machine's, with that suite's Mosquitto, Docker
# Engine, Podman and Compose, beside the machine's own and without touching them.
#
#   scripts/newer-world.sh COMMAND…      SUITE=sid (default) or trixie
#   scripts/newer-world.sh --prepare     only brings the packages, which is the slow part: a minute or two, 1.1 GB
#   scripts/newer-world.sh --remove      gives the room back
#
# Needs root, a Debian with debootstrap, and the mirror that its apt uses. The packages stay in NEWER_ROOT
# (/var/cache/mosquitto-cert-watcher/<suite>) for the next run; everything else is gone with the command, however it
# ends. The command finds this directory under its own path, an engine at DOCKER_HOST and E2E_DOCKER_SOCK, a network
# with nothing but a loopback, and the pinned Node.js.
set -euo pipefail

repository=$(realpath "$(dirname "$0")/..")
suite=${SUITE:-sid}
root=${NEWER_ROOT:-/var/cache/mosquitto-cert-watcher/$suite}

packages=(
  mosquitto mosquitto-clients tini podman runc docker.io docker-cli docker-buildx docker-compose
  haproxy nginx-light libnginx-mod-stream stunnel4 rabbitmq-server openssl
  iptables iproute2 procps util-linux strace python3 curl git busybox-static ca-certificates
)
# crun refuses a machine with both versions of cgroups, and Podman takes it before runc where both are
unwanted=(crun)

fail() {
  echo "newer-world: $*" >&2
  exit 1
}

[ $# -gt 0 ] || fail "no command (try: $0 cat /etc/os-release)"
case $suite in sid | trixie) ;; *) fail "SUITE=$suite: only sid and trixie are known here" ;; esac
[ "$(id -u)" = 0 ] || fail "needs root: it makes name spaces and mounts, of its own"
for program in debootstrap apt-get unshare setpriv pivot_root flock ip; do
  command -v "$program" >/dev/null || fail "needs $program (on Debian: apt-get install debootstrap util-linux iproute2)"
done

mkdir -p "$(dirname "$root")"
# one run at a time; the other lock is held by everything that runs in the world, and so tells when the last of it has ended
exec 9>"$root.lock" 8>"$root.alive"
flock --nonblock 9 || { echo "newer-world: waiting for another run in $root" >&2 && flock 9; }
flock --timeout 30 8 || fail "something of a run that was killed does not end in $root"

# reports what failed, with the end of its log
bring() {
  local what=$1
  shift
  # in mounts of its own, so nothing stays mounted if it fails
  unshare --mount --propagation private bash -euo pipefail -c "$@" >"$root.log" 2>&1 ||
    fail "could not bring $what: $(tail -n 3 "$root.log")"
  rm -f "$root.log"
}

install_base() {
  local mirror
  # shellcheck disable=SC2016  # apt's own variables
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep '/debian/$' | sort -u | head -1)
  [ -n "$mirror" ] || fail "apt names no mirror of Debian here (its sources should end in /debian)"
  [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] ||
    fail "needs debian-archive-keyring, to check what $mirror sends"
  rm -rf "$root" "$root.part"
  bring "$suite from $mirror" '
    root=$1 suite=$2 mirror=$3
    debootstrap --variant=minbase "$suite" "$root" "$mirror"
    # how this machine reaches its mirror, and how stale that may be
    apt-config dump | grep -E "^Acquire::(http|https|Check-Valid-Until)" >"$root/etc/apt/apt.conf.d/99host" || true
    echo "Acquire::Check-Valid-Until \"false\";" >>"$root/etc/apt/apt.conf.d/99host"
    mkdir -p "$root/etc/ssl/certs"
    [ ! -e /etc/ssl/certs/ca-certificates.crt ] || cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
    printf "127.0.0.1 localhost\n" >"$root/etc/hosts"
    # servers are started by the tests, never by their packages
    printf "#!/bin/sh\nexit 101\n" >"$root/usr/sbin/policy-rc.d"
    chmod +x "$root/usr/sbin/policy-rc.d"
  ' bash "$root.part" "$suite" "$mirror"
  mv "$root.part" "$root"
}

is_installed() {
  chroot "$root" dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed'
}

# What apt has to be told: the packages that are not there yet, and with a minus those that are and may not be.
missing_packages() {
  local package
  for package in "${packages[@]}"; do is_installed "$package" || echo "$package"; done
  for package in "${unwanted[@]}"; do ! is_installed "$package" || echo "$package-"; done
}

install_packages() {
  bring "the packages of $suite" '
    root=$1; shift
    cp /etc/resolv.conf "$root/etc/resolv.conf"
    mount -t proc proc "$root/proc"
    export DEBIAN_FRONTEND=noninteractive
    chroot "$root" dpkg --configure -a
    chroot "$root" apt-get update -qq
    chroot "$root" apt-get install -y -qq --no-install-recommends "$@"
    chroot "$root" apt-get clean
  ' bash "$root" "$@" "${unwanted[@]/%/-}"
}

if [ "$1" = --remove ]; then
  rm -rf "$root" "$root.part" "$root.log" "$root.lock" "$root.alive"
  exit 0
fi
[ -d "$root" ] || { echo "newer-world: bringing $suite into $root" && install_base; }
mapfile -t missing < <(missing_packages)
[ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"
[ "$1" != --prepare ] || exit 0

# a working tree of git may have its repository elsewhere
git_directory=$(realpath "$(git -C "$repository" rev-parse --git-common-dir 2>/dev/null || echo "$repository")")
cgroup=/newer-world-$suite
world=

# what processes leave where no name space keeps it
tidy() {
  rm -rf "$root/var/lib/world"
  for left in /sys/fs/cgroup"$cgroup" /sys/fs/cgroup/*"$cgroup"; do
    [ ! -d "$left" ] || find "$left" -depth -type d -exec rmdir {} \; 2>/dev/null || true
  done
}

leave() {
  if [ -n "$world" ]; then
    # takes every process of the world with it, and with the last one its mounts and its network
    kill -KILL "$world" 2>/dev/null || true
    wait "$world" 2>/dev/null || true
  fi
  exec 8>&-
  flock --timeout 30 "$root.alive" true || echo "newer-world: something in $root does not end" >&2
  tidy
}
trap leave EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

export repository root cgroup git_directory
# of a run that was killed
tidy
# a process group of its own, or the shell would make it deaf to Ctrl-C; it dies with this script, whatever that dies of
set -m
setpriv --pdeathsig KILL unshare --mount --net --pid --uts --ipc --fork --kill-child --propagation private \
  bash -euo pipefail -c '
    mount --bind "$root" "$root"
    cd "$root"
    mkdir -p old var/lib/world
    mount -t proc proc proc
    mount --rbind /sys sys
    mount --rbind /dev dev
    mount -t tmpfs tmpfs run
    mount -t tmpfs tmpfs tmp
    for shared in "$git_directory" "$repository"; do
      mkdir -p ".$shared"
      mount --rbind "$shared" ".$shared"
    done
    pivot_root . old
    umount --lazy /old
    hostname newer
    ip link set lo up
    export PATH="$repository/node_modules/.bin:/usr/sbin:/usr/bin:/sbin:/bin" HOME=/root LANG=C.UTF-8
    export E2E_DOCKER_SOCK=/run/world.sock DOCKER_HOST=unix:///run/world.sock
    dockerd --host "$DOCKER_HOST" --data-root /var/lib/world/data --exec-root /run/world --pidfile /run/world.pid \
      --cgroup-parent "$cgroup" --bridge=none --iptables=false --ip6tables=false >/run/world.log 2>&1 &
    engine=$!
    for _ in $(seq 120); do
      curl -fsS --unix-socket "$E2E_DOCKER_SOCK" http://localhost/_ping >/dev/null 2>&1 && break
      kill -0 "$engine" 2>/dev/null || break
      sleep 0.5
    done
    curl -fsS --unix-socket "$E2E_DOCKER_SOCK" http://localhost/_ping >/dev/null ||
      { echo "newer-world: its engine does not answer" >&2; tail -n 20 /run/world.log >&2; exit 1; }
    cd "$repository"
    status=0
    "$@" || status=$?
    kill "$engine" && wait "$engine" || true
    exit "$status"
  ' bash "$@" </dev/null 9>&- &
world=$!
status=0
wait "$world" || status=$?
world=
exit "$status"
