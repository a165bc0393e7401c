/**
 * Bounds the connections of a gRPC port: a process without a free descriptor cannot accept connections, open
 * files or start threads.
 */
import type { Server as NetServer } from 'node:net';
import type { Server } from '@grpc/grpc-js';
import type { Logger, Timers } from '@loki/ports';

/** Interval of log lines about refused connections. */
const tellEveryMs = 10_000;

interface BoundDeps {
  /** 0: no bound. */
  readonly max: number;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly onRefused: () => void;
}

/**
 * Connections beyond the bound are closed as soon as they are accepted; callers retry elsewhere or later.
 *
 * @param server a server that is bound to its port
 */
export function boundConnections(server: Server, deps: BoundDeps): void {
  if (deps.max <= 0) return;
  const onDrop = newDropReport(deps);
  for (const each of listenersOf(server)) {
    each.maxConnections = deps.max;
    each.on('drop', onDrop);
  }
}

/** grpc-js (1.14) has no public access to its listeners; a test fails when they move. */
function listenersOf(server: Server): Iterable<NetServer> {
  return (server as unknown as { http2Servers: ReadonlyMap<NetServer, unknown> }).http2Servers.keys();
}

function newDropReport({ max, timers, logger, onRefused }: BoundDeps): () => void {
  let refused = 0;
  let isWaiting = false;
  const tell = () => {
    logger.warn('gRPC connections are refused: the process has reached its maximum of open connections', {
      refused,
      connectionsMax: max,
    });
    refused = 0;
    isWaiting = true;
    timers.after(tellEveryMs, () => {
      isWaiting = false;
      if (refused > 0) tell();
    });
  };
  return () => {
    onRefused();
    refused++;
    if (!isWaiting) tell();
  };
}
