/**
 * Sorts the rows of one stream that come from several presorted pieces: times[0 .. count) and ids[0 ..
 * count), where each piece is already ascending. Stable: of equal times those of the earlier piece come
 * first.
 *
 * Natural merge sort: pieces that follow each other in time cost nothing, k overlapping pieces cost log2(k)
 * passes.
 */
export class PieceSorter {
  times = new Float64Array(1024);
  ids = new Uint32Array(1024);
  #otherTimes = new Float64Array(1024);
  #otherIds = new Uint32Array(1024);

  /** Makes room for `count` rows; the contents are lost. */
  reserve(count: number): void {
    if (count <= this.times.length) return;
    const size = Math.max(count, this.times.length * 2);
    this.times = new Float64Array(size);
    this.ids = new Uint32Array(size);
    this.#otherTimes = new Float64Array(size);
    this.#otherIds = new Uint32Array(size);
  }

  sort(count: number): void {
    let bounds = ascents(this.times, count);
    while (bounds.length > 2) {
      const next = [0];
      for (let i = 0; i + 1 < bounds.length; i += 2) {
        const [from, middle, to] = [bounds[i], bounds[i + 1], bounds[i + 2] ?? bounds[i + 1]];
        this.#merge(from, middle, to);
        next.push(to);
      }
      [this.times, this.#otherTimes] = [this.#otherTimes, this.times];
      [this.ids, this.#otherIds] = [this.#otherIds, this.ids];
      bounds = next;
    }
  }

  #merge(from: number, middle: number, to: number): void {
    const { times, ids } = this;
    const outTimes = this.#otherTimes;
    const outIds = this.#otherIds;
    let [leftAt, rightAt, out] = [from, middle, from];
    while (leftAt < middle && rightAt < to) {
      const takeRight = times[rightAt] < times[leftAt];
      const at = takeRight ? rightAt++ : leftAt++;
      outTimes[out] = times[at];
      outIds[out++] = ids[at];
    }
    const [tail, tailEnd] = leftAt < middle ? [leftAt, middle] : [rightAt, to];
    outTimes.set(times.subarray(tail, tailEnd), out);
    outIds.set(ids.subarray(tail, tailEnd), out);
  }
}

/** The starts of ascending stretches, and the end. */
function ascents(times: Float64Array, count: number): number[] {
  const bounds = [0];
  for (let i = 1; i < count; i++) if (times[i] < times[i - 1]) bounds.push(i);
  bounds.push(count);
  return bounds;
}
