/** Requests, results and fake services for the tests of the RPC adapter. */
import { parseTenantId } from '@loki/model';
import { emptyLeafStats } from '@loki/ports';
import type {
  CatalogNews,
  CatalogNumbers,
  HeadAnswer,
  IngesterService,
  LabelSet,
  LeafRequest,
  LeafResult,
  PartitionHead,
  Logger,
  LogLeafRequest,
  LogLeafResult,
  StreamsRequest,
  StreamVolume,
  TailFrame,
} from '@loki/ports';
import { NodeClock, NodeTimers } from '@loki/runtime';
import { RpcChannel } from '../rpc-channel.ts';
import type { ChannelDeps } from '../rpc-channel.ts';
import { RpcServer } from '../rpc-server.ts';
import type { RpcServerOptions } from '../rpc-server.ts';

export const tenant = parseTenantId('acme');
export const timers = new NodeTimers();
export const clock = new NodeClock();
export const logger: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => logger };

export const logLeaf: LogLeafRequest = {
  kind: 'log',
  tenant,
  expr: '{app="a"} |= "x"',
  startNs: -5n,
  endNs: 1_700_000_000_000_000_001n,
  direction: 'backward',
  limit: 100,
};

/** A result of `rows` lines of `lineBytes` each. */
export function logResult(rows: number, lineBytes = 3): LogLeafResult {
  const labelSets: LabelSet[] = [
    {
      stream: [
        ['app', 'a'],
        ['__proto__', 'ünï'],
      ],
      structuredMetadata: [['trace', '']],
      parsed: [],
      origin: { hash: (1n << 64n) - 1n, text: '{app="a"}' },
    },
    { stream: [], structuredMetadata: [], parsed: [['p', '\n']], origin: { hash: 0n, text: '' } },
  ];
  return {
    kind: 'log',
    labelSets: rows === 0 ? [] : labelSets,
    labelSet: Uint32Array.from({ length: rows }, (_, row) => row % 2),
    timestampNs: BigInt64Array.from({ length: rows }, (_, row) => 1_700_000_000_000_000_000n - BigInt(row)),
    lineEnds: Uint32Array.from({ length: rows }, (_, row) => (row + 1) * lineBytes),
    lines: new Uint8Array(rows * lineBytes).map((_, i) => i % 251),
    stats: { ...emptyLeafStats(), linesMatched: rows, fetchMs: 0.5 },
  };
}

/** An ingester that answers what a test gives it. */
export class TestIngester implements IngesterService {
  asked: LeafRequest | StreamsRequest | undefined;
  signal: AbortSignal | undefined;
  flushes = 0;
  onQuery: (signal: AbortSignal) => Promise<LeafResult> = async () => logResult(2);
  onTail: (signal: AbortSignal) => AsyncIterable<TailFrame> = async function* () {};
  volumes: readonly StreamVolume[] = [];

  async partitions(): Promise<readonly number[]> {
    return [0, 3, 70_000];
  }

  async queryHead(partition: number, request: LeafRequest, signal?: AbortSignal) {
    this.asked = request;
    this.signal = signal;
    return { committedOffset: 2 ** 40 + partition, result: await this.onQuery(signal!) };
  }

  async headStreams(
    partition: number,
    request: StreamsRequest,
  ): Promise<HeadAnswer<readonly StreamVolume[]>> {
    this.asked = request;
    return { committedOffset: partition, result: this.volumes };
  }

  async headBounds(partitions: readonly number[]): Promise<readonly PartitionHead[]> {
    return partitions.map((partition) => ({
      partition,
      committedOffset: 2 ** 40 + partition,
      oldestNs: partition === 0 ? undefined : BigInt(partition) * 10n ** 18n,
    }));
  }

  known: CatalogNumbers | undefined;

  async catalogNews(known: CatalogNumbers): Promise<CatalogNews> {
    this.known = known;
    const manifests = [Buffer.from('one'), Buffer.alloc(0)];
    return {
      partitions: [{ partition: 7, number: 2 ** 40, isLeader: true, manifests }],
      shared: { compactions: 1, deletes: 0, layout: 2 ** 33 },
    };
  }

  tail(_: number, request: LeafRequest, signal: AbortSignal): AsyncIterable<TailFrame> {
    this.asked = request;
    this.signal = signal;
    return this.onTail(signal);
  }

  async flush(): Promise<void> {
    this.flushes++;
  }
}

/** Servers and channels of one test; `close` ends them all. */
export class TestWorld {
  readonly #servers: RpcServer[] = [];
  readonly #channels: RpcChannel[] = [];

  /** @returns the address */
  async serve(add: (server: RpcServer) => void, options: Partial<RpcServerOptions> = {}): Promise<string> {
    const server = new RpcServer({ address: '127.0.0.1', port: 0, logger, ...options });
    add(server);
    this.#servers.push(server);
    const port = await server.listen();
    server.setServing(true);
    return `localhost:${port}`;
  }

  channel(address: string, deps: Partial<ChannelDeps> = {}): RpcChannel {
    const channel = new RpcChannel(address, { clock, ...deps });
    this.#channels.push(channel);
    return channel;
  }

  /** Cuts off what runs, as a crash does. */
  async kill(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.stop((cut) => timers.after(0, cut))));
    this.#servers.length = 0;
  }

  async close(): Promise<void> {
    for (const channel of this.#channels) channel.close();
    await this.kill();
  }
}
