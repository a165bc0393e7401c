/** `lokictl retention --dry-run`: entries that retention and delete requests will remove. */
import { DeleteRequests, deleteOf, expiredRows } from '@loki/catalog';
import type { Catalog, DeleteRequest, SegmentRef } from '@loki/catalog';
import { RuntimeConfig } from '@loki/config';
import type { Config, LimitSyntaxChecks, LimitsSource } from '@loki/config';
import { findDeletedRows } from '@loki/engine';
import type { LeafDelete, Logger, WorkerEnv } from '@loki/ports';
import { NodeClock, NodeTimers } from '@loki/runtime';
import { UsageError } from './command.ts';
import type { Command, CommandIo } from './command.ts';
import { configFlags, openConfiguredStore, openStore, readConfig, textReader } from './configured-store.ts';
import { allTime, readCatalog } from './stored-catalog.ts';

const cacheBytesMax = 64 << 20;

/** `lokictl retention --dry-run [DIR]` */
export const retention: Command = {
  words: ['retention'],
  arguments: ['[DIR]'],
  summary:
    'Shows which entries retention and delete requests will remove from the store in DIR, or from the configured store, and why.',
  flags: [{ name: 'dry-run', summary: 'show and remove nothing: compactors remove' }, ...configFlags],
  async run({ positional: [directory], flags }, io) {
    if (!flags.has('dry-run')) {
      throw new UsageError('--dry-run is missing: this command only shows entries, compactors remove them');
    }
    // Loaded only here: it imports all roles and adapters, which would delay every other command.
    const { limitSyntaxChecks } = await import('@loki/process');
    const config = await readConfig(flags, io, limitSyntaxChecks);
    const limits = await limitsOf(config, io, limitSyntaxChecks);
    const { store } =
      directory === undefined ? await openConfiguredStore(config) : await openStore(directory, flags, io);
    const [clock, timers] = [new NodeClock(), new NodeTimers()];
    const catalog = await readCatalog(store);
    const requests = new DeleteRequests({ objectStore: store, clock, timers });
    await requests.load();
    const env: WorkerEnv = { objectStore: store, cache: new Map(), cacheBytesMax };
    const report = new Report(io, catalog, env);
    for (const tenant of [...catalog.tenants()].sort()) {
      const tenantLimits = limits.forTenant(tenant);
      const expired = expiredRows(tenantLimits, clock.nowMs());
      for (const removal of expired) await report.tell(tenant, removal, reasonOf(removal));
      const waiting = requests.state.requests(tenant).filter(({ processedMs }) => processedMs === undefined);
      for (const request of waiting) {
        await report.tell(tenant, deleteOf(request), requestText(request, tenantLimits.deletionMode));
      }
      await report.count(tenant, [...expired, ...waiting.map(deleteOf)]);
    }
    report.total();
    return 0;
  },
};

class Report {
  readonly #io: CommandIo;
  readonly #catalog: Catalog;
  readonly #env: WorkerEnv;
  #rows = 0;

  constructor(io: CommandIo, catalog: Catalog, env: WorkerEnv) {
    this.#io = io;
    this.#catalog = catalog;
    this.#env = env;
  }

  /** Prints one line for each segment that loses entries by this removal. */
  async tell(tenant: string, removal: LeafDelete, reason: string): Promise<void> {
    for (const ref of this.#catalog.segmentsFor(tenant, removal.startNs, removal.endNs)) {
      const rows = await this.#rowsOf(tenant, [removal], ref);
      if (rows === 0) continue;
      const share = rows === ref.rowCount ? `all ${rows} entries` : `${rows} of ${ref.rowCount} entries`;
      this.#io.out(`${tenant}: ${ref.key}: ${share}: ${reason}\n`);
    }
  }

  /** Prints the entries that several removals together take. */
  async count(tenant: string, removals: readonly LeafDelete[]): Promise<void> {
    for (const ref of this.#catalog.segmentsFor(tenant, allTime.startNs, allTime.endNs)) {
      this.#rows += await this.#rowsOf(tenant, removals, ref);
    }
  }

  total(): void {
    this.#io.out(this.#rows === 0 ? 'nothing will be removed\n' : `${this.#rows} entries in all\n`);
  }

  async #rowsOf(tenant: string, removals: readonly LeafDelete[], { key, clip }: SegmentRef): Promise<number> {
    const source = { kind: 'object', key, clip } as const;
    const blocks = await findDeletedRows(source, tenant, removals, this.#env);
    return blocks.reduce((sum, { rows }) => sum + rows.length, 0);
  }
}

function reasonOf({ expr, endNs, except }: LeafDelete): string {
  const exceptions = except ? `, but for ${except.join(', ')}` : '';
  return `streams ${expr}${exceptions}: kept since ${timeText(endNs)}`;
}

function requestText(request: DeleteRequest, mode: string): string {
  const { id, query } = request;
  const { startNs, endNs } = deleteOf(request);
  const title =
    mode === 'filter-and-delete' ? 'delete request' : `delete request (${mode}: stays in the store)`;
  return `${title} ${id}: ${query} from ${timeText(startNs)} to ${timeText(endNs)}`;
}

function timeText(ns: bigint): string {
  const { startNs, endNs } = allTime;
  const clamped = ns < startNs ? startNs : ns > endNs ? endNs : ns;
  return new Date(Number(clamped / 1_000_000n)).toISOString();
}

async function limitsOf(
  config: Config,
  io: CommandIo,
  limitChecks: LimitSyntaxChecks,
): Promise<LimitsSource> {
  if (!config.compactor.retentionEnabled) {
    io.err('lokictl: compactor.retention_enabled is false: nothing is removed\n');
  }
  const limits = new RuntimeConfig({
    ...config.runtimeConfig,
    readText: textReader(io),
    timers: new NodeTimers(),
    logger: silent,
    globalValues: config.limitValues,
    limitContext: { maxReturnedStreamErrors: config.ingester.maxReturnedStreamErrors, checks: limitChecks },
  });
  await limits.start();
  limits.stop();
  return limits;
}

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };
