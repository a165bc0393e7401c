/** Lines of a pattern, counted by time: part of the step *consume* of a written line. */

/** Width of a bucket in seconds: the resolution of the counts in `/patterns`, as in Loki. */
export const bucketSeconds = 10;

/** Counts by buckets of 10 s, ascending; lines come mostly in order. */
export class TimeCounts {
  /** Unix seconds over `bucketSeconds`. */
  readonly buckets: number[] = [];
  readonly counts: number[] = [];
  total = 0;

  get newest(): number {
    return this.buckets.length === 0 ? -Infinity : this.buckets[this.buckets.length - 1];
  }

  add(bucket: number, count: number): void {
    this.total += count;
    const { buckets, counts } = this;
    let at = buckets.length;
    while (at > 0 && buckets[at - 1] > bucket) at--;
    if (at > 0 && buckets[at - 1] === bucket) counts[at - 1] += count;
    else if (at === buckets.length) {
      buckets.push(bucket);
      counts.push(count);
    } else {
      buckets.splice(at, 0, bucket);
      counts.splice(at, 0, count);
    }
  }

  addAll(added: { readonly buckets: readonly number[]; readonly counts: readonly number[] }): void {
    for (let i = 0; i < added.buckets.length; i++) this.add(added.buckets[i], added.counts[i]);
  }

  /** Removes counts before `bucket`. */
  dropBelow(bucket: number): void {
    let count = 0;
    while (count < this.buckets.length && this.buckets[count] < bucket) this.total -= this.counts[count++];
    if (count === 0) return;
    this.buckets.splice(0, count);
    this.counts.splice(0, count);
  }
}
