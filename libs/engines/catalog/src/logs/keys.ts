/** Keys of the catalog's objects. */

/**
 * `catalog/partitions/<partition>/<number, 20 digits>`: one manifest each, created once, never changed,
 * removed by eras.
 */
export function manifestKey(partition: number, number: number): string {
  return manifestPrefix(partition) + pad(number);
}

export function manifestPrefix(partition: number): string {
  return `catalog/partitions/${partition}/`;
}

/** `catalog/checkpoints/<partition>/<number, 20 digits>`: all manifests up to that number, folded. */
export function checkpointPrefix(partition: number): string {
  return `catalog/checkpoints/${partition}/`;
}

/**
 * `catalog/checkpoint-parts/<partition>/<number, 20 digits>-<hash>`: a part that the checkpoint of that
 * number wrote.
 */
export function checkpointPartPrefix(partition: number): string {
  return `catalog/checkpoint-parts/${partition}/`;
}

/** The number of the checkpoint that wrote a part; undefined when the key is none of ours. */
export function partNumberOf(key: string): number | undefined {
  return numberOf(key.slice(0, key.lastIndexOf('-')));
}

/**
 * `catalog/seals/partitions/<partition>/<era, 20 digits>`: checkpoints cover the era's manifests, which may
 * be deleted.
 */
export function sealPrefix(partition: number): string {
  return `catalog/seals/partitions/${partition}/`;
}

/** Keys of the compactors' log. */
export const compactionKeys = {
  manifestPrefix: 'catalog/compactions/',
  checkpointPrefix: 'catalog/compaction-checkpoints/',
  sealPrefix: 'catalog/seals/compactions/',
} as const;

/** `<prefix><number, 20 digits>-<hash>`: parts of checkpoints of the compactors' log. */
export const compactionPartPrefix = 'catalog/compaction-checkpoint-parts/';

/** `<prefix><number, 20 digits>`. */
export function numbered(prefix: string, number: number): string {
  return prefix + pad(number);
}

/** The number at the end of a key; undefined when the key is none of ours. */
export function numberOf(key: string): number | undefined {
  const name = key.slice(key.lastIndexOf('/') + 1);
  return /^\d{20}$/.test(name) ? Number(name) : undefined;
}

function pad(number: number): string {
  return String(number).padStart(20, '0');
}
