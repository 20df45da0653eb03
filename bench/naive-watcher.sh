#!/usr/bin/env bash
# What people write instead, honestly written: needs inotify-tools, openssl and the docker command.
# usage: naive-watcher.sh CERT_DIR CONTAINER WINDOW_SECONDS
set -u
dir=$1 container=$2 window=$3
say() { echo "$(date -u +%FT%TZ) $*"; }
fingerprint() { cat "$dir/ca.crt" "$dir/client.crt" 2>/dev/null | sha256sum; }
public_keys() { openssl x509 -pubkey -noout -in "$dir/client.crt"; openssl pkey -pubout -in "$dir/client.key"; }
last=$(fingerprint)
say "watching $dir"
inotifywait -q -m -e close_write -e moved_to -e delete "$dir" | while read -r _; do
  while read -r -t "$window" _; do :; done # until nothing has happened for the window
  now=$(fingerprint)
  [ "$now" = "$last" ] && continue
  openssl x509 -checkend 0 -noout -in "$dir/client.crt" >/dev/null 2>&1 || { say "expired or broken"; continue; }
  [ "$(public_keys 2>/dev/null | sort | uniq -d | wc -l)" -gt 1 ] || { say "key and certificate differ"; continue; }
  say "restarting $container"
  docker restart "$container" >/dev/null && last=$now
done
