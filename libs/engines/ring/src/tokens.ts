/** As Loki: enough that shares differ by little, few enough that a ring of hundreds is small. */
const tokensPerInstance = 128;

/**
 * The place of a text on the ring, 32 bit: FNV-1a over UTF-16 code units, then the finishing steps of
 * MurmurHash3. FNV-1a alone puts texts that differ in their last digit side by side (partition 7 next to
 * partition 8).
 */
export function tokenOf(text: string): number {
  let hash = 0x811c_9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x0100_0193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Cached tokens by id and number: each read of a ring needs the tokens of all members. */
const computed = new Map<string, readonly number[]>();
/** Twice the members of the largest ring. */
const computedMax = 20_000;

/**
 * An instance's tokens: random-looking, but a function of its id. So a lost ring is the same again after its
 * members have registered, and no ownership moves.
 */
export function tokensOf(id: string, count = tokensPerInstance): readonly number[] {
  const name = `${count}\0${id}`;
  let tokens = computed.get(name);
  if (!tokens) {
    const distinct = new Set<number>();
    for (let i = 0; distinct.size < count; i++) distinct.add(tokenOf(`${id}\0${i}`));
    tokens = [...distinct].sort((a, b) => a - b);
    if (computed.size >= computedMax) computed.clear();
    computed.set(name, tokens);
  }
  return tokens;
}

export function partitionToken(partition: number): number {
  return tokenOf(`partition\0${partition}`);
}
