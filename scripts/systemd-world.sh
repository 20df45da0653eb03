#!/usr/bin/env bash
# Brings a Debian with systemd, Debian's own Mosquitto, polkit and D-Bus, as an archive from which a container engine
# makes an image that boots (lab/systemd.ts starts it). Prints the archive's path.
#
#   scripts/systemd-world.sh             SUITE=bookworm (default) or trixie; WITH=podman for one that has Podman too
#   scripts/systemd-world.sh --remove    gives the room back
#
# Needs root, a Debian with debootstrap, and the mirror that its apt uses. The first run takes a minute or two; the
# archive (180 MB, 350 MB with Podman) stays in SYSTEMD_WORLD (/var/cache/mosquitto-cert-watcher/systemd-<suite>) until
# this script changes.
set -euo pipefail

suite=${SUITE:-bookworm}
with=${WITH:-}
cache=${SYSTEMD_WORLD:-/var/cache/mosquitto-cert-watcher/systemd-$suite}${with:+-$with}
recipe=$(sha256sum "$0" | cut -c1-12)
archive=$cache/$recipe.tar

packages=(
  systemd systemd-sysv libpam-systemd libnss-systemd dbus polkitd mosquitto mosquitto-clients openssl
  man-db bash-completion procps
  # the pinned Node.js is linked with it
  libatomic1
)

# crun refuses a machine with both versions of cgroups
[ "$with" != podman ] || packages+=(podman runc)

# what a container has no use for, or must leave to the engine
masked=(
  systemd-sysctl.service systemd-modules-load.service systemd-logind.service systemd-udevd.service
  systemd-remount-fs.service systemd-firstboot.service getty.target console-getty.service
  sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount
  dev-hugepages.mount dev-mqueue.mount
  apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer man-db.timer
  systemd-tmpfiles-clean.timer podman-auto-update.timer
)

fail() {
  echo "systemd-world: $*" >&2
  exit 1
}

if [ "${1:-}" = --remove ]; then
  rm -rf "$cache" "$cache.lock"
  exit 0
fi
[ $# -eq 0 ] || fail "unknown argument $1 (there is --remove)"
case $suite in bookworm | trixie) ;; *) fail "SUITE=$suite: only bookworm and trixie are known here" ;; esac
case $with in '' | podman) ;; *) fail "WITH=$with: only podman is known here" ;; esac

mkdir -p "$(dirname "$cache")"
# one run at a time
exec 9>"$cache.lock"
flock 9
if [ -e "$archive" ]; then
  echo "$archive"
  exit 0
fi

[ "$(id -u)" = 0 ] || fail "needs root: it makes the files of another system"
for program in debootstrap apt-get unshare; do
  command -v "$program" >/dev/null || fail "needs $program (on Debian: apt-get install debootstrap util-linux)"
done
[ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || fail "needs debian-archive-keyring, to check what it is sent"
# shellcheck disable=SC2016  # apt's own variables
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep '/debian/$' | sort -u | head -1)
[ -n "$mirror" ] || fail "apt names no mirror of Debian here (its sources should end in /debian)"

echo "systemd-world: bringing $suite${with:+ with $with} into $cache" >&2
rm -rf "$cache"
mkdir -p "$cache"
root=$cache/root
include=$(IFS=, && echo "${packages[*]}")
export root suite with mirror include archive
# in mounts of its own, so nothing stays mounted if it fails
unshare --mount --propagation private bash -euo pipefail -c '
  debootstrap --variant=minbase --include="$include" "$suite" "$root" "$mirror"
  rm -rf "$root"/var/cache/apt/*.bin "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/dev/*
  for unit in "$@"; do ln -sf /dev/null "$root/etc/systemd/system/$unit"; done
  # an engine gives the groups read-only to a container that is not privileged, and privileged is more than it needs
  cat >"$root/init" <<-"INIT"
	#!/bin/sh
	awk "\$3 ~ /^cgroup/ {print \$2}" /proc/mounts | while read -r mount; do
	  mount -o remount,bind,rw "$mount"
	done
	exec /sbin/init
	INIT
  chmod 755 "$root/init"
  if [ "$with" = podman ]; then
    # its storage lies in that of another engine, and raising limits is not everywhere allowed, even to root
    cat >"$root/etc/containers/storage.conf" <<-"STORAGE"
	[storage]
	driver = "vfs"
	graphroot = "/var/lib/containers/storage"
	runroot = "/run/containers/storage"
	STORAGE
    cat >"$root/etc/containers/containers.conf" <<-"CONTAINERS"
	[containers]
	default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
	[engine]
	runtime = "runc"
	CONTAINERS
  fi
  tar --create --numeric-owner --xattrs --directory "$root" --file "$archive.part" .
' bash "${masked[@]}" >"$cache.log" 2>&1 || fail "could not bring $suite from $mirror: $(tail -n 3 "$cache.log")"
rm -rf "$root" "$cache.log"
mv "$archive.part" "$archive"
echo "$archive"
