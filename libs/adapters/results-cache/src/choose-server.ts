/**
 * Chooses the server of a key by rendezvous hashing: the one with the highest score. Processes with the same
 * servers choose the same one, regardless of the order. When a server is added or removed, only its own keys
 * move.
 *
 * @param servers not empty, no name twice
 */
export function chooseServer(key: string, servers: readonly string[]): string {
  const keyHash = hashText(key);
  let best = servers[0];
  let bestScore = -1;
  for (const server of servers) {
    const score = mix(keyHash ^ hashText(server));
    if (score > bestScore || (score === bestScore && server < best)) {
      best = server;
      bestScore = score;
    }
  }
  return best;
}

/**
 * FNV-1a of the text's UTF-16 units, stirred: keys differ in their last characters, which FNV hardly spreads.
 */
function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return mix(hash);
}

/**
 * A bijection of 32 bits in which every bit of the input reaches every bit of the output (MurmurHash3's last
 * step).
 */
function mix(value: number): number {
  let mixed = value ^ (value >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
