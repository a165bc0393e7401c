/** Collects garbage on command, for tests of memory that is let go, and of turns of the event loop. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

let collect: (() => void) | undefined;

/**
 * Collects all garbage of this thread now. A test that measures a turn calls it first: the garbage of earlier
 * files in the same process would be collected in the turn that it measures.
 */
export function collectGarbage(): void {
  if (!collect) {
    setFlagsFromString('--expose-gc');
    // Only contexts that are created after the flag have the function.
    collect = runInNewContext('gc') as () => void;
    setFlagsFromString('--no-expose-gc');
  }
  collect();
}
