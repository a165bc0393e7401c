/** Protects queriers: a query whose client has left must not hold a thread until it is done. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { atOnce, leafTask, unpackLeafResult } from '@loki/engine';
import { Labels, LokiError, parseTenantId } from '@loki/model';
import type { LeafRequest, LeafResult, Logger, QuerierService } from '@loki/ports';
import { ChannelPool, QuerierWorker, RpcServer, serveFrontend } from '@loki/rpc';
import type { QuerierSlot } from '@loki/rpc';
import { NodeClock, NodeTimers, WorkerPool } from '@loki/runtime';
import { encodeSegment, RowWriter } from '@loki/segment';

const tenant = parseTenantId('acme');
const timers = new NodeTimers();
const clock = new NodeClock();
const logger: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => logger };

/** Some hundred blocks. */
function segment(): Buffer {
  const writer = new RowWriter(tenant);
  writer.beginRun(Labels.fromPairs([['app', 'a']]));
  for (let i = 0; i < 20_000; i++) writer.addRowText(i, 0, `line ${i} ${'x'.repeat(50)}`);
  writer.endRun();
  return encodeSegment(writer.finish(), { kind: 'flushed', blockBytes: 10_000 });
}

/** @param stages what is done to each line */
function leaf(stages: string): LeafRequest {
  return {
    kind: 'samples',
    tenant,
    expr: `sum(count_over_time({app="a"} ${stages}[30000s]))`,
    startNs: 20_000n * 1_000_000_000n,
    endNs: 20_000n * 1_000_000_000n,
    stepNs: 0n,
    seriesMax: 0,
  };
}

/** Two minutes and more. */
const endless = leaf('| label_format x="{{ range 50000 }}{{ end }}x" | x="x"');

function countOf(result: LeafResult): number {
  return result.kind === 'samples' ? result.series[0].columns[0][0] : -1;
}

let directory: string;
let workers: WorkerPool;
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'cancelled-leaf-'));
  workers = new WorkerPool({
    entry: new URL('./worker.ts', import.meta.url),
    workerData: { storage: { kind: 'filesystem', directory, prefix: '' }, blockCacheBytes: 1 << 20 },
    size: 1,
    tasksPerWorkerMax: 1,
  });
});
afterEach(async () => {
  await workers.close();
  await rm(directory, { recursive: true });
});

test('a query given up at the frontend frees the thread that scans for it in a querier', async () => {
  const bytes = segment();
  const runLeaf: QuerierService['runLeaf'] = async (request, signal) => {
    const input = { request, sources: [{ kind: 'bytes' as const, bytes }] };
    return atOnce(unpackLeafResult(await workers.run(leafTask, input, { signal })));
  };
  const querier = { runLeaf } as QuerierService;
  const slots: QuerierSlot[] = [];
  const server = new RpcServer({ address: '127.0.0.1', port: 0, logger });
  serveFrontend(server, { timers, onSlot: (slot) => slots.push(slot) });
  const port = await server.listen();
  server.setServing(true);
  const channels = new ChannelPool({ clock });
  const puller = new QuerierWorker({ querier, channels, timers, logger, querierId: 'q', maxConcurrent: 1 });
  try {
    puller.setFrontends(new Set([`localhost:${port}`]));
    const slotOf = () => slots.find((slot) => !slot.isForTails);
    while (!slotOf()) await timers.sleep(10);
    const slot = slotOf()!.querier;
    // The thread is there, and has its code.
    expect(countOf(await slot.runLeaf(leaf('')))).toBe(20_000);

    const giveUp = new AbortController();
    const running = slot.runLeaf(endless, giveUp.signal);
    running.catch(() => undefined);
    await timers.sleep(300);
    const gone = new LokiError('clientGone', 'the request was cancelled by the client');
    giveUp.abort(gone);
    await expect(running).rejects.toBe(gone);

    // Without the cancellation it would wait without end behind an endless scan.
    const next = slotOf()!.querier;
    expect(countOf(await next.runLeaf(leaf('')))).toBe(20_000);
  } finally {
    await puller.stop();
    await server.stop((cut) => timers.after(0, cut));
  }
});
