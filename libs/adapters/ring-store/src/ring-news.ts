/** The bytes of a member's change, as rings in Redis publish it. */
import type { RingNews } from '@loki/ports';

/** Characters of a message of one member. */
const newsCharsMax = 131_072;

/** Redis's error for a key of another type: not a ring of this program, and the next write replaces it. */
export async function withoutOtherKinds<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('WRONGTYPE')) return undefined;
    throw error;
  }
}

/** undefined: not a message of this program; the caller reads the ring. */
export function parseNews(text: string): RingNews | undefined {
  if (text.length > newsCharsMax) return undefined;
  try {
    const parsed: unknown = JSON.parse(text);
    if (!Array.isArray(parsed)) return undefined;
    const [id, value] = parsed as unknown[];
    if (typeof id !== 'string' || (value !== undefined && typeof value !== 'string')) return undefined;
    return new Map([[id, value]]);
  } catch {
    return undefined;
  }
}
