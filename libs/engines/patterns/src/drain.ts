/** Groups lines that differ in some words only. */
import { TimeCounts } from './time-counts.ts';
import { kindsOf, wildcard, wordKinds } from './tokens.ts';
import type { Tokens } from './tokens.ts';

/** Of the words that say something, more than this share must be equal for two lines to have one pattern. */
const similarityMin = 0.5;
/** First words told apart under one shape; lines with further ones share a place. */
const childrenMax = 64;
/** Clusters compared with a line at most; the least recently seen one makes room. */
const clustersPerLeafMax = 24;

/** Bytes of a cluster beside its texts, and for each count. */
const clusterBytes = 300;
const bytesPerWord = 24;

interface DrainOptions {
  /** Clusters kept; the least recently seen one goes. */
  readonly clustersMax: number;
}

/** Lines of one shape that differ in some words only. */
export class LineCluster {
  readonly words: string[];
  readonly separators: readonly string[];
  /**
   * Of each word. A place where plain words differed is a `wildcard` and goes on counting against similarity,
   * so that a pattern cannot wear away; a place where a variable stood once is `variable` for ever.
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
 * first word that says something) leads to the few clusters worth a comparison; the most similar one takes
 * the line, and words that differ become wildcards. Patterns match their lines exactly, as the separators are
 * part of the shape.
 *
 * O(words × clusters of a leaf) a line.
 */
export class Drain {
  readonly #clustersMax: number;
  readonly #shapes = new Map<string, Shape>();
  /** In the order in which they were last seen. */
  readonly #clusters = new Set<LineCluster>();
  /** Estimate of the memory that clusters take, counts included. */
  bytes = 0;

  constructor(options: DrainOptions) {
    this.#clustersMax = options.clustersMax;
  }

  get clusters(): ReadonlySet<LineCluster> {
    return this.#clusters;
  }

  /**
   * Finds or makes the cluster of a line, or of a pattern from elsewhere.
   *
   * @param kinds of the words, where they are known
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
      // Making room may have taken the leaf itself away.
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

/** Share of the places that say something in both whose words are equal; 0 when the keys differ. */
function similarityOf(cluster: LineCluster, words: readonly string[], kinds: Uint8Array): number {
  const { plain, variable, key, wildcard: differs } = wordKinds;
  let equal = 0;
  let compared = 0;
  let saysSomething = false;
  for (let i = 0; i < words.length; i++) {
    const here = kinds[i];
    const there = cluster.kinds[i];
    if (here === key || there === key) {
      if (words[i] !== cluster.words[i]) return 0;
      continue;
    }
    if (here !== variable || there !== variable) saysSomething = true;
    if (here === variable || there === variable) continue;
    compared++;
    if (here === plain && there !== differs && words[i] === cluster.words[i]) equal++;
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
