/** The means of an attack: raw connections, requests, and a count of the answers. */
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import type { Socket } from 'node:net';

export interface Attack {
  readonly name: string;
  /** The attack in a line, for `--list`. */
  readonly about: string;
  /** Bound of the process's container; absent: the machine's. */
  readonly memoryMb?: number;
  /** Flags of the product beside the usual ones. */
  readonly flags?: readonly string[];
  /** Statuses that are right answers to the attacker, beside 2xx. Default: 400, 413, 429, 503. */
  readonly statuses?: readonly number[];
  /** Time for which the other tenant is measured after the attack. Default: 1.5 s. */
  readonly watchedAfterMs?: number;
  /** Stores the data that the attack needs; the other tenant's service is not measured meanwhile. */
  prepare?(attacker: Attacker): Promise<void>;
  run(attacker: Attacker): Promise<void>;
}

interface Sending {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | string;
  readonly tenant?: string;
}

interface Ports {
  readonly port: number;
  readonly grpcPort: number;
}

export class Attacker {
  readonly port: number;
  readonly grpcPort: number;
  readonly statuses = new Map<number, number>();
  /** The first text of each status. */
  readonly texts = new Map<number, string>();
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 256 });
  /** The attacker closed its connections: missing answers are no fault. */
  #isGone = false;

  /** Figures that the attack itself has measured, by name. */
  readonly figures = new Map<string, string | number>();
  /** Promises that failed by the attack's own measure. */
  readonly faults: string[] = [];
  /** Resident memory of the process. */
  readonly memoryBytes: () => number;

  constructor({ port, grpcPort }: Ports, memoryBytes: () => number) {
    this.port = port;
    this.grpcPort = grpcPort;
    this.memoryBytes = memoryBytes;
  }

  figure(name: string, value: string | number): void {
    this.figures.set(name, value);
  }

  fault(text: string): void {
    this.faults.push(text);
  }

  /** Sends a request; resolves with its status, 0 when there was none. */
  send(path: string, { method = 'GET', headers, body, tenant = 'attacker' }: Sending = {}): Promise<number> {
    return new Promise((resolve) => {
      const settle = (status: number): void => {
        if (!this.#isGone) this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1);
        resolve(status);
      };
      const outgoing = request(
        {
          host: '127.0.0.1',
          port: this.port,
          path,
          method,
          agent: this.#agent,
          headers: { 'x-scope-orgid': tenant, ...headers },
        },
        (response) => {
          const status = response.statusCode!;
          if (this.texts.has(status)) response.resume();
          else response.once('data', (data: Buffer) => this.texts.set(status, data.toString().slice(0, 300)));
          response.once('end', () => settle(status));
          response.once('error', () => undefined);
        },
      );
      outgoing.once('error', () => settle(0));
      outgoing.end(body);
    });
  }

  push(body: Buffer | string, headers: Readonly<Record<string, string>> = {}, path = '/loki/api/v1/push') {
    return this.send(path, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json', ...headers },
    });
  }

  /** A connection of its own, errors ignored. */
  open(): Promise<Socket> {
    return new Promise((resolve) => {
      const socket = connect(this.port, '127.0.0.1', () => resolve(socket));
      socket.on('error', () => undefined);
    });
  }

  /** Repeats `once` side by side for this long. */
  async flood(clients: number, ms: number, once: (turn: number) => Promise<unknown>): Promise<void> {
    const endMs = performance.now() + ms;
    let turn = 0;
    await Promise.all(
      Array.from({ length: clients }, async () => {
        while (performance.now() < endMs) await once(turn++);
      }),
    );
  }

  /** Closes all connections, answers or not. */
  hangUp(): void {
    this.#isGone = true;
    this.#agent.destroy();
  }

  end(): void {
    this.#agent.destroy();
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
