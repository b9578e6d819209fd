#!/bin/sh
# The same file fetched over loopback by rqbit and by samara, in turn, with
# everything in memory. Prints seconds on the clock and of the processor.
#
# rqbit.sh RQBIT SAMARA [MEBIBYTES]
set -eu
rqbit=$1
samara=$2
mebibytes=${3:-1024}
desk=$(mktemp -d /dev/shm/samara-rqbit.XXXXXX)
trap 'kill $sharing $seeding 2>/dev/null; rm -rf "$desk"' EXIT
sharing= seeding=

head -c $((mebibytes * 1048576)) /dev/urandom > "$desk/input"

# An address for the HTTP API is how the torrent's hash is learned.
"$rqbit" --disable-dht --disable-lsd --disable-trackers --disable-upnp-port-forward \
  --listen-ip 127.0.0.1 --listen-port 42110 --http-api-listen-addr 127.0.0.1:42111 \
  share "$desk/input" > "$desk/share.log" 2>&1 &
sharing=$!
hash=
while [ -z "$hash" ]; do
  hash=$(curl -s http://127.0.0.1:42111/torrents | sed -n 's/.*"info_hash":"\([0-9a-f]*\)".*/\1/p')
done

"$samara" --store "$desk/seeder" ingest -i "$desk/input" -o "$desk/entry.json" 2> /dev/null
"$samara" --store "$desk/seeder" --json seed -i "$desk/entry.json" --no-dht \
  --listen 127.0.0.1:0 2> "$desk/seed.log" &
seeding=$!
address=
while [ -z "$address" ]; do
  address=$(sed -n 's/.*"listening","address":"\([^"]*\)".*/\1/p' "$desk/seed.log")
done

for round in 1 2 3; do
  mkdir "$desk/download"
  command time -f "rqbit  %e s, processor %U + %S s" \
    "$rqbit" --disable-dht --disable-lsd --disable-trackers --disable-upnp-port-forward \
    --disable-tcp-listen --http-api-listen-addr 127.0.0.1:42112 \
    download -o "$desk/download" -e --initial-peers 127.0.0.1:42110 \
    "magnet:?xt=urn:btih:$hash" 2>&1 | tail -1
  cmp "$desk/download/input" "$desk/input"
  rm -r "$desk/download"

  command time -f "samara %e s, processor %U + %S s" \
    "$samara" --store "$desk/reader" fetch --no-dht --peer "ws://$address" \
    -i "$desk/entry.json" -o "$desk/output" 2>&1 | tail -1
  cmp "$desk/output" "$desk/input"
  rm -r "$desk/reader" "$desk/output"
done
