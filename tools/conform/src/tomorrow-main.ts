/**
 * An app with the clock of tomorrow, which therefore compacts all stored days: `tomorrow-main.ts TARGET
 * flags…`. Started by `npm run conform` alone.
 */
import type { Clock } from '@loki/ports';
import { run } from '@loki/process';

/** A day is closed some hours after its end; lines may be of the next one. */
const aheadMs = 2 * 86_400_000;

function ahead(clock: Clock): Clock {
  return {
    nowMs: () => clock.nowMs() + aheadMs,
    nowNs: () => clock.nowNs() + BigInt(aheadMs) * 1_000_000n,
    monotonicMs: () => clock.monotonicMs(),
  };
}

// All further arguments are the app's own.
const [target] = process.argv.splice(2, 1);
await run({ target, adapters: { clock: ahead } });
