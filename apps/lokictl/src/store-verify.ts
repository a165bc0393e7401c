/** `lokictl store verify`: checks that a store is whole, for instance one that was restored from a backup. */
import { repairCatalog } from '@loki/catalog';
import type { Catalog, SegmentRef } from '@loki/catalog';
import type { ObjectStore } from '@loki/ports';
import { NodeClock } from '@loki/runtime';
import { verifySegment } from '@loki/segment';
import type { Command, CommandIo } from './command.ts';
import { configFlags, openStore } from './configured-store.ts';
import { failureText } from './failure-text.ts';
import { allTime, countPartitions, readCatalog } from './stored-catalog.ts';

/** `lokictl store verify [DIR]` */
export const storeVerify: Command = {
  words: ['store', 'verify'],
  arguments: ['[DIR]'],
  summary:
    'Checks every byte of the catalog and of all segments that it names, in the store in DIR or in the configured store. Names the objects that are missing or damaged, and changes nothing. Reads the whole store once. Exit code 1 when something is missing or damaged.',
  flags: [...configFlags, { name: 'quiet', summary: 'print missing and damaged objects only' }],
  async run({ positional: [directory], flags }, io) {
    const { store, place } = await openStore(directory, flags, io);
    const damages = await repairCatalog({
      objectStore: store,
      partitionCount: await countPartitions(store),
      nowMs: new NodeClock().nowMs(),
      isDryRun: true,
    });
    for (const { text } of damages) io.err(`damaged: ${text}\n`);
    const catalog = await readCatalog(store);
    const sum = { segments: 0, unsound: 0, rows: 0, bytes: 0 };
    for (const [key, tenants] of tenantsBySegment(catalog)) {
      sum.segments++;
      const segment = await readSound(store, key, tenants, io);
      if (!segment) {
        sum.unsound++;
        continue;
      }
      sum.rows += segment.rows;
      sum.bytes += segment.bytes;
      if (!flags.has('quiet')) io.out(`${key}: sound: ${segment.rows} rows, ${segment.bytes} bytes\n`);
    }
    if (!flags.has('quiet')) {
      io.out(`${place}: ${sum.segments} segments, ${sum.rows} rows, ${sum.bytes} bytes\n`);
    }
    if (sum.unsound > 0) io.err(`${sum.unsound} of ${sum.segments} segments are missing or damaged\n`);
    if (damages.length > 0) io.err('a damaged catalog hides later segments; see lokictl repair\n');
    return sum.unsound + damages.length === 0 ? 0 : 1;
  },
};

/** The tenants that have rows in each segment of the catalog, by key. */
function tenantsBySegment(catalog: Catalog): Map<string, string[]> {
  const segments = new Map<string, string[]>();
  for (const tenant of [...catalog.tenants()].sort()) {
    for (const { key } of distinctSegments(catalog.segmentsFor(tenant, allTime.startNs, allTime.endNs))) {
      const tenants = segments.get(key);
      if (tenants) tenants.push(tenant);
      else segments.set(key, [tenant]);
    }
  }
  return segments;
}

/** A segment may be named once for each partition that it was merged from. */
function distinctSegments(refs: readonly SegmentRef[]): Iterable<SegmentRef> {
  return new Map(refs.map((ref) => [ref.key, ref])).values();
}

/** Prints the damage of a segment; undefined: it is not sound. */
async function readSound(
  store: ObjectStore,
  key: string,
  tenants: readonly string[],
  io: CommandIo,
): Promise<{ readonly rows: number; readonly bytes: number } | undefined> {
  try {
    const bytes = await store.get(key);
    const { rows } = verifySegment(bytes, key);
    return { rows, bytes: bytes.length };
  } catch (error) {
    const text = failureText(error);
    io.err(`${text.startsWith(key) ? text : `${key}: ${text}`} (${tenantsText(tenants)})\n`);
    return undefined;
  }
}

/** A bounded list: a store may have thousands of tenants. */
function tenantsText(tenants: readonly string[]): string {
  const names = tenants.slice(0, 5).join(', ');
  const more = tenants.length > 5 ? ` and ${tenants.length - 5} more` : '';
  return `${tenants.length === 1 ? 'tenant' : 'tenants'} ${names}${more}`;
}
