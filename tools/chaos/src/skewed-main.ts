/** An app whose roles live in another time: `skewed-main.ts HOURS APP flags…`. Started by `npm run chaos`. */
import type { Clock } from '@loki/ports';
import { run } from '@loki/process';

const [hours, target] = process.argv.splice(2, 2);
const offsetMs = Number(hours) * 3_600_000;
const offsetNs = BigInt(offsetMs) * 1_000_000n;

const clock = (machine: Clock): Clock => ({
  nowMs: () => machine.nowMs() + offsetMs,
  nowNs: () => machine.nowNs() + offsetNs,
  monotonicMs: () => machine.monotonicMs(),
});

await run({ target, adapters: { clock } });
