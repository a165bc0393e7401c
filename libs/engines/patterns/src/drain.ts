/** Clusters lines that differ in some words only: the patterns of `/patterns`. */
import { TimeCounts } from './time-counts.ts';
import { kindsOf, wildcard, wordKinds } from './tokens.ts';
import type { Tokens } from './tokens.ts';

/** Two lines have one pattern when more than this share of their meaningful words is equal. */
const similarityMin = 0.5;
/** Most first words that are distinguished under one shape; lines with further ones share a leaf. */
const childrenMax = 64;
/** Most clusters that are compared with a line; the least recently used one is evicted. */
const clustersPerLeafMax = 24;

/** Bytes of a cluster without its texts, and of each count. */
const clusterBytes = 300;
const bytesPerWord = 24;

interface DrainOptions {
  /** Most clusters; the least recently used one is evicted. */
  readonly clustersMax: number;
}

/** Lines of one shape that differ in some words only. */
export class LineCluster {
  readonly words: string[];
  readonly separators: readonly string[];
  /**
   * The kind of each word. A place where plain words differed is a `wildcard` and still lowers the
   * similarity, so that a pattern cannot degrade to wildcards alone. A place that once held a variable stays
   * `variable`.
   */
  readonly kinds: Uint8Array;
  readonly counts = new TimeCounts();
  readonly leaf: Leaf;
  readonly weight: number;

  constructor(tokens: Tokens, kinds: Uint8Array, leaf: Leaf) {
    this.words = [...tokens.words];
    this.separators = tokens.separators;
    this.kinds = Uint8Array.from(kinds);
    this.leaf = leaf;
    let chars = 0;
    for (const word of tokens.words) chars += word.length;
    for (const separator of tokens.separators) chars += separator.length;
    this.weight = clusterBytes + bytesPerWord * tokens.words.length + 2 * chars;
  }
}

interface Leaf {
  readonly shape: Shape;
  readonly word: string;
  readonly clusters: Set<LineCluster>;
}

/** Lines with the same separators, thus of the same number of words. */
interface Shape {
  readonly signature: string;
  readonly leaves: Map<string, Leaf>;
}

/**
 * Clusters lines after the idea of Drain (He et al., 2017): a tree of fixed depth (shape of the line, its
 * first meaningful word) leads to a few candidate clusters. The most similar cluster takes the line, and its
 * words that differ become wildcards. Patterns match their lines exactly, because the separators are part of
 * the shape.
 *
 * O(words × clusters of a leaf) a line.
 */
export class Drain {
  readonly #clustersMax: number;
  readonly #shapes = new Map<string, Shape>();
  /** In order of last use. */
  readonly #clusters = new Set<LineCluster>();
  /** Estimated memory of the clusters with their counts. */
  bytes = 0;

  constructor(options: DrainOptions) {
    this.#clustersMax = options.clustersMax;
  }

  get clusters(): ReadonlySet<LineCluster> {
    return this.#clusters;
  }

  /**
   * Finds or creates the cluster of a line, or of a pattern that another process or worker found.
   *
   * @param kinds kinds of the words, if they are known
   */
  train(tokens: Tokens, kinds: Uint8Array = kindsOf(tokens)): LineCluster {
    const leaf = this.#leaf(tokens, kinds);
    let cluster = mostSimilar(leaf.clusters, tokens.words, kinds);
    if (cluster) {
      absorb(cluster, tokens.words, kinds);
      leaf.clusters.delete(cluster);
      this.#clusters.delete(cluster);
    } else {
      if (leaf.clusters.size >= clustersPerLeafMax) this.remove(firstOf(leaf.clusters));
      else if (this.#clusters.size >= this.#clustersMax) this.remove(firstOf(this.#clusters));
      // The eviction may have removed the leaf itself.
      const place = this.#leaf(tokens, kinds);
      cluster = new LineCluster(tokens, kinds, place);
      this.bytes += cluster.weight;
    }
    cluster.leaf.clusters.add(cluster);
    this.#clusters.add(cluster);
    return cluster;
  }

  remove(cluster: LineCluster): void {
    const { leaf } = cluster;
    if (!this.#clusters.delete(cluster)) return;
    this.bytes -= cluster.weight;
    leaf.clusters.delete(cluster);
    if (leaf.clusters.size > 0) return;
    leaf.shape.leaves.delete(leaf.word);
    if (leaf.shape.leaves.size === 0) this.#shapes.delete(leaf.shape.signature);
  }

  #leaf(tokens: Tokens, kinds: Uint8Array): Leaf {
    const signature = tokens.separators.join('\u0000');
    let shape = this.#shapes.get(signature);
    if (!shape) this.#shapes.set(signature, (shape = { signature, leaves: new Map() }));
    const first = kinds.indexOf(wordKinds.plain);
    let word = first < 0 ? wildcard : tokens.words[first];
    if (!shape.leaves.has(word) && shape.leaves.size >= childrenMax) word = wildcard;
    let leaf = shape.leaves.get(word);
    if (!leaf) shape.leaves.set(word, (leaf = { shape, word, clusters: new Set() }));
    return leaf;
  }
}

function mostSimilar(
  clusters: ReadonlySet<LineCluster>,
  words: readonly string[],
  kinds: Uint8Array,
): LineCluster | undefined {
  let best: LineCluster | undefined;
  let bestSimilarity = similarityMin;
  for (const cluster of clusters) {
    const similarity = similarityOf(cluster, words, kinds);
    if (similarity > bestSimilarity) {
      best = cluster;
      bestSimilarity = similarity;
    }
  }
  return best;
}

/** Share of equal words among the places that are meaningful in both; 0 when keys differ. */
function similarityOf(cluster: LineCluster, words: readonly string[], kinds: Uint8Array): number {
  const { plain, variable, key, wildcard: differs } = wordKinds;
  let equal = 0;
  let compared = 0;
  let saysSomething = false;
  for (let i = 0; i < words.length; i++) {
    const wordKind = kinds[i];
    const clusterKind = cluster.kinds[i];
    if (wordKind === key || clusterKind === key) {
      if (words[i] !== cluster.words[i]) return 0;
      continue;
    }
    if (wordKind !== variable || clusterKind !== variable) saysSomething = true;
    if (wordKind === variable || clusterKind === variable) continue;
    compared++;
    if (wordKind === plain && clusterKind !== differs && words[i] === cluster.words[i]) equal++;
  }
  if (compared === 0) return saysSomething ? 0 : 1;
  return equal / compared;
}

function absorb(cluster: LineCluster, words: readonly string[], kinds: Uint8Array): void {
  for (let i = 0; i < words.length; i++) {
    if (words[i] === cluster.words[i]) continue;
    cluster.words[i] = wildcard;
    if (cluster.kinds[i] === wordKinds.plain) {
      cluster.kinds[i] = kinds[i] === wordKinds.variable ? wordKinds.variable : wordKinds.wildcard;
    }
  }
}

function firstOf<T>(set: ReadonlySet<T>): T {
  return set.values().next().value!;
}
