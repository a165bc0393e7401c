#!/usr/bin/env bash
# The system under test for the benchmark harness: this checkout, all components in one process.
#   info | start | stop | pids | flush | dirs | dirs_aux | wipe
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
data=${LOKI_BENCH_DATA:-/tmp/loki-bench}
port=${LOKI_BENCH_PORT:-3199}
url="http://127.0.0.1:$port"
node="$root/node_modules/.bin/node"
[ -x "$node" ] || node=node

running() { [ -f "$data/pid" ] && kill -0 "$(cat "$data/pid")" 2>/dev/null; }

start() {
  running && return 0
  mkdir -p "$data"
  cd "$root"
  # Ingest limits out of the way, as for the other systems: the harness pushes a day of logs in a minute.
  setsid "$node" --disable-warning=ExperimentalWarning apps/loki/src/main.ts \
    -server.http-listen-port="$port" -server.grpc-listen-port=$((port + 1)) \
    -common.path-prefix="$data/data" \
    -distributor.ingestion-rate-limit-mb=1024 -distributor.ingestion-burst-size-mb=1024 \
    -ingester.per-stream-rate-limit=1GB -ingester.per-stream-rate-limit-burst=1GB \
    -ingester.max-global-streams-per-user=0 -querier.max-query-series=100000 \
    >>"$data/log" 2>&1 </dev/null &
  echo $! >"$data/pid"
  for _ in $(seq 200); do
    curl -sf "$url/ready" >/dev/null 2>&1 && return 0
    running || { tail -n 20 "$data/log" >&2; return 1; }
    sleep 0.1
  done
  echo "not ready: $data/log" >&2
  return 1
}

stop() {
  running || return 0
  kill -TERM "$(cat "$data/pid")"
  for _ in $(seq 600); do running || break; sleep 0.1; done
  running && kill -KILL "$(cat "$data/pid")"
  rm -f "$data/pid"
}

# Merges what was flushed, as the peers' drivers do, and waits for the end.
merge() {
  curl -sf -X POST "$url/compactor/merge" >/dev/null
  while curl -sf "$url/compactor/status" | grep -q '"isRunning":true'; do sleep 0.2; done
  find "$data/data/chunks/segments" -type f >"$data/replaced"
}

# The stored data without the segments that the merge replaced: a compactor deletes these after three hours.
live() {
  rm -rf "$data/live"
  cp -al "$data/data" "$data/live"
  [ ! -f "$data/replaced" ] || sed "s|^$data/data/|$data/live/|" "$data/replaced" | xargs -r rm -f
  echo "$data/live"
}

case ${1:-} in
  info) printf '{"name":"ours","url":"%s","dialect":"loki","push":"/loki/api/v1/push","tenant":"fake"}\n' "$url" ;;
  start) start ;;
  stop) stop ;;
  pids) cat "$data/pid" ;;
  flush) curl -sf -X POST "$url/flush" >/dev/null; merge; stop; start ;;
  dirs) live ;;
  dirs_aux) echo "$data/log" ;;
  wipe) stop; rm -rf "$data" ;;
  *) echo "usage: $0 info|start|stop|pids|flush|dirs|dirs_aux|wipe" >&2; exit 2 ;;
esac
