/**
 * Repairs damaged objects of the catalog on behalf of lokictl: rebuilds each one from other objects, and
 * keeps the damaged bytes in quarantine.
 */
import { LokiError } from '@loki/model';
import type { ObjectStore } from '@loki/ports';
import { sectionsOf } from './commits.ts';
import { compactionCheckpoints } from './compaction/compaction-checkpoint.ts';
import { CompactionState } from './compaction/compaction-state.ts';
import { DeleteState } from './deletes/delete-state.ts';
import type { CheckpointFormat } from './logs/checkpoint-parts.ts';
import { CheckpointStore } from './logs/checkpoint-store.ts';
import { partitionCheckpoints } from './logs/checkpoint.ts';
import { manifestKey, numbered } from './logs/keys.ts';
import { encodeManifest } from './logs/manifest.ts';
import type { ManifestContent } from './logs/manifest.ts';
import { NumberedLog } from './logs/numbered-log.ts';
import { PartitionCatalog } from './logs/partition-catalog.ts';

interface RepairOptions {
  readonly objectStore: ObjectStore;
  readonly partitionCount: number;
  readonly nowMs: number;
  /** Reports the repairs without doing them. */
  readonly isDryRun: boolean;
  /** Manifests of an era; tests set it. */
  readonly eraSize?: number;
}

/** One damaged object. */
interface Repair {
  readonly key: string;
  readonly text: string;
  readonly isMended: boolean;
}

/** No process may write to the store during the repair. */
export async function repairCatalog(options: RepairOptions): Promise<Repair[]> {
  const repairs: Repair[] = [];
  for (let partition = 0; partition < options.partitionCount; partition++) {
    repairs.push(...(await repairPartition(partition, options)));
  }
  const compactions = compactionCheckpoints(() => new CompactionState());
  repairs.push(...(await repairCheckpoints(compactions, options)));
  return [...repairs, ...(await repairDeletes(options))];
}

async function repairPartition(partition: number, options: RepairOptions): Promise<Repair[]> {
  const { objectStore, isDryRun, eraSize } = options;
  const repairs: Repair[] = [];
  const catalog = new PartitionCatalog({ objectStore, partition, eraSize });
  for (;;) {
    try {
      await catalog.load();
      return [...repairs, ...(await repairCheckpoints(partitionCheckpoints(partition), options))];
    } catch (error) {
      if (!(error instanceof LokiError) || error.code !== 'corrupt') throw error;
      const number = catalog.state.number + 1;
      const key = manifestKey(partition, number);
      const content = await rebuild(catalog, options);
      if (typeof content === 'string') return [...repairs, { key, text: content, isMended: false }];
      const { segment, startOffset, endOffset } = content;
      const text = segment
        ? `the segment ${segment.key} is committed again`
        : `no segment begins at offset ${startOffset}: the records from there on are read from the write log again`;
      repairs.push({ key, text: `${error.message}: ${text}`, isMended: !isDryRun });
      // Later damage shows only after this object is repaired.
      if (isDryRun) return repairs;
      await keepBytes(objectStore, key);
      await objectStore.put(key, encodeManifest({ ...content, endOffset, partition, number }));
    }
  }
}

/**
 * Removes the roots of damaged checkpoints. The catalog was read without them, and the next checkpoints refer
 * to none of their parts.
 */
async function repairCheckpoints<State extends { readonly number: number }>(
  format: CheckpointFormat<State>,
  { objectStore, isDryRun }: RepairOptions,
): Promise<Repair[]> {
  let damage: string | undefined;
  const checkpoints = new CheckpointStore(format, { objectStore, onDamage: (text) => (damage = text) });
  const repairs: Repair[] = [];
  for (const number of await checkpoints.numbers()) {
    if (await checkpoints.isSound(number)) continue;
    const key = numbered(format.checkpointPrefix, number);
    const outcome = 'the checkpoint is removed, and the next one is written anew';
    repairs.push({ key, text: `${damage ?? key}: ${outcome}`, isMended: !isDryRun });
    if (isDryRun) continue;
    await keepBytes(objectStore, key);
    await objectStore.delete(key);
  }
  return repairs;
}

/**
 * The manifest that was under this number, rebuilt from its segment: a flush puts the segment first, and the
 * segment's key has the offsets. A text: the reason why it cannot be rebuilt.
 */
async function rebuild(catalog: PartitionCatalog, options: RepairOptions): Promise<ManifestContent | string> {
  const { objectStore, nowMs } = options;
  const { state, partition } = catalog;
  const startOffset = state.endOffset;
  const candidates: { key: string; endOffset: number }[] = [];
  for await (const { key } of objectStore.list(`segments/${partition}/`)) {
    const match = /\/(\d+)-(\d+)-[0-9a-f]+$/.exec(key);
    if (match && Number(match[1]) === startOffset) candidates.push({ key, endOffset: Number(match[2]) });
  }
  if (candidates.length > 1) {
    return `several segments begin at offset ${startOffset} (${candidates.map(({ key }) => key).join(', ')}): delete those that are not meant`;
  }
  const common = { startOffset, writers: state.writers, drops: [], erased: [], createdMs: nowMs };
  const [candidate] = candidates;
  if (!candidate) return { ...common, endOffset: startOffset };
  const bytes = await objectStore.get(candidate.key);
  const segment = { key: candidate.key, sizeBytes: bytes.length, level: 0, sections: sectionsOf(bytes) };
  return { ...common, endOffset: candidate.endOffset, segment };
}

const deletesPrefix = 'deletes/log/';

async function repairDeletes({ objectStore, nowMs, isDryRun }: RepairOptions): Promise<Repair[]> {
  const state = new DeleteState();
  const log = new NumberedLog({
    objectStore,
    state,
    manifestPrefix: deletesPrefix,
    checkpointPrefix: 'deletes/checkpoints/',
  });
  const repairs: Repair[] = [];
  for (;;) {
    try {
      await log.load();
      break;
    } catch (error) {
      if (!(error instanceof LokiError) || error.code !== 'corrupt') throw error;
      const number = state.number + 1;
      const key = numbered(deletesPrefix, number);
      const outcome =
        'a step of a delete request whose tenant cannot be read is dropped: check every request';
      repairs.push({ key, text: `${error.message}: ${outcome}`, isMended: !isDryRun });
      // Later steps can be read only after this one is repaired.
      if (isDryRun) break;
      await keepBytes(objectStore, key);
      const step = { number, tenant: '', atMs: nowMs, change: { kind: 'increase' } } as const;
      await objectStore.put(key, state.encodeManifest(step));
    }
  }
  for (const [number, { tenant, text }] of state.damaged) {
    const key = numbered(deletesPrefix, number);
    const outcome = `a step of a delete request of tenant ${tenant} is dropped: ask for the request again`;
    repairs.push({ key, text: `${text}: ${outcome}`, isMended: !isDryRun });
    if (isDryRun) continue;
    await keepBytes(objectStore, key);
    const step = { number, tenant, atMs: nowMs, change: { kind: 'increase' } } as const;
    await objectStore.put(key, state.encodeManifest(step));
  }
  return repairs;
}

async function keepBytes(objectStore: ObjectStore, key: string): Promise<void> {
  await objectStore.putIfAbsent(`quarantine/${key}`, await objectStore.get(key));
}
