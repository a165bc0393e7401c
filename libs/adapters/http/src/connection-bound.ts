/** Bounds the connections of the HTTP server: step *admit*. */
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Logger, TimerHandle, Timers } from '@loki/ports';

/** Most refused connections that stay open until their request is answered 503; more are cut. */
const refusedOpenMax = 16;
/** Time in which a refused client must send its request; then it is cut. */
const refusedMs = 1_000;
/** Interval of log lines about refused connections. */
const tellEveryMs = 10_000;

interface BoundDeps {
  /** 0: no bound. */
  readonly connectionsMax: number;
  /** Refused clients are cut: an answer would need a handshake. */
  readonly isTls: boolean;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly onRefused: () => void;
}

/**
 * Bounds the connections of a server. A process without a free descriptor cannot accept a connection to
 * refuse it, and cannot open files. So some descriptors stay free, and clients beyond the bound are answered
 * 503.
 */
export class ConnectionBound {
  readonly #deps: BoundDeps;
  readonly #refused = new WeakSet<Duplex>();
  #open = 0;
  #refusedOpen = 0;
  /** Refused connections since the last log line. */
  #refusedCount = 0;
  #untilTold: TimerHandle | undefined;

  constructor(deps: BoundDeps) {
    this.#deps = deps;
  }

  watch(server: Server): void {
    if (this.#deps.connectionsMax <= 0) return;
    server.on('connection', (socket: Socket) => this.#take(socket));
  }

  /** Whether a request of this connection is answered 503. */
  isRefused(socket: Duplex): boolean {
    return this.#refused.has(socket);
  }

  stop(): void {
    this.#untilTold?.cancel();
  }

  #take(socket: Socket): void {
    if (this.#open < this.#deps.connectionsMax) {
      this.#open++;
      socket.once('close', () => this.#open--);
      return;
    }
    this.#tell();
    if (this.#deps.isTls || this.#refusedOpen >= refusedOpenMax) {
      socket.destroy();
      return;
    }
    this.#refused.add(socket);
    this.#refusedOpen++;
    const cut = this.#deps.timers.after(refusedMs, () => socket.destroy());
    socket.once('close', () => {
      this.#refusedOpen--;
      cut.cancel();
    });
  }

  #tell(): void {
    this.#deps.onRefused();
    this.#refusedCount++;
    if (this.#untilTold) return;
    this.#log();
    this.#untilTold = this.#deps.timers.after(tellEveryMs, () => {
      this.#untilTold = undefined;
      if (this.#refusedCount > 0) this.#log();
    });
  }

  #log(): void {
    const { logger, connectionsMax } = this.#deps;
    logger.warn('HTTP connections are refused: the process has reached its maximum of open connections', {
      refused: this.#refusedCount,
      connectionsMax,
    });
    this.#refusedCount = 0;
  }
}
