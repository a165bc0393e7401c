#!/usr/bin/env bash
# The system under test for the benchmark harness: this checkout as processes of their own, a gateway, a distributor,
# three ingesters with a replication factor of 3, and a querier; objects in a directory. Kafka and Redis run beside it and
# are not counted.
#   info | start | stop | pids | flush | dirs | dirs_aux | wipe
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
data=${LOKI_BENCH_DATA:-/tmp/loki-bench-cluster}
port=${LOKI_BENCH_PORT:-23100}
url="http://127.0.0.1:$port"
node="$root/node_modules/.bin/node"
[ -x "$node" ] || node=node

running() { [ -f "$data/$1.pid" ] && kill -0 "$(cat "$data/$1.pid")" 2>/dev/null; }

# launch NAME ARGUMENT...: until it says that it is ready
launch() {
  local name=$1
  shift
  running "$name" && return 0
  mkdir -p "$data"
  cd "$root"
  setsid "$node" --disable-warning=ExperimentalWarning tools/dev-cluster/src/main.ts --data "$data" --port "$port" "$@" \
    >"$data/$name.log" 2>&1 </dev/null &
  echo $! >"$data/$name.pid"
  for _ in $(seq 1800); do
    grep -q '^ready' "$data/$name.log" && return 0
    running "$name" || break
    sleep 0.1
  done
  tail -n 20 "$data/$name.log" >&2
  return 1
}

end() {
  running "$1" || return 0
  kill -TERM "$(cat "$data/$1.pid")"
  for _ in $(seq 1200); do running "$1" || break; sleep 0.1; done
  rm -f "$data/$1.pid"
}

start() {
  launch services --services-only --only kafka,redis
  # Ingest limits out of the way, as for the other systems: the harness pushes a day of logs in a minute. Patterns are off, as in
  # a start without a file.
  launch cluster --gateway 1 --distributor 1 --ingester 3 --querier 1 --compactor 0 --ruler 0 -- \
    -distributor.ingestion-rate-limit-mb=1024 -distributor.ingestion-burst-size-mb=1024 \
    -ingester.per-stream-rate-limit=1GB -ingester.per-stream-rate-limit-burst=1GB \
    -ingester.max-global-streams-per-user=0 -querier.max-query-series=100000 -pattern-ingester.enabled=false \
    ${LOKI_BENCH_FLAGS:-}
}

case ${1:-} in
  info) printf '{"name":"cluster","url":"%s","dialect":"loki","push":"/loki/api/v1/push","tenant":"fake"}\n' "$url" ;;
  start) start ;;
  stop) end cluster ;;
  pids) grep -o '"pid": [0-9]*' "$data/processes.json" | grep -o '[0-9]*' ;;
  flush) curl -sf -X POST "$url/flush" >/dev/null; end cluster; start ;;
  dirs) echo "$data/store" ;;
  dirs_aux) echo "$data/logs" ;;
  wipe) end cluster; end services; rm -rf "$data" ;;
  *) echo "usage: $0 info|start|stop|pids|flush|dirs|dirs_aux|wipe" >&2; exit 2 ;;
esac
