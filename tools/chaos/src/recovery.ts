/** Time to recover and failed requests, by kind of fault. */
import type { Stretch } from './watch.ts';

/** The cost of one fault in one round. */
export interface Recovery {
  readonly kind: string;
  /** From the mending of the fault until all processes are ready and no attempt fails. */
  readonly seconds: number;
  readonly pushes: Stretch;
  readonly queries: Stretch;
}

/** A line for each kind: number of faults, times to recover, failures that clients noticed. */
export function recoveryTable(recoveries: readonly Recovery[]): string {
  const kinds = [...new Set(recoveries.map(({ kind }) => kind))].sort();
  const rows = kinds.map((kind) => {
    const ofKind = recoveries.filter((recovery) => recovery.kind === kind);
    const seconds = ofKind.map((recovery) => recovery.seconds).sort((a, b) => a - b);
    const worst = (of: (recovery: Recovery) => number): number => Math.max(...ofKind.map(of));
    return [
      kind,
      String(ofKind.length),
      seconds[seconds.length >> 1].toFixed(1),
      seconds[seconds.length - 1].toFixed(1),
      String(worst(({ pushes }) => pushes.repeated)),
      (worst(({ pushes }) => pushes.slowestMs) / 1000).toFixed(1),
      String(worst(({ queries }) => queries.repeated)),
      (worst(({ queries }) => queries.slowestMs) / 1000).toFixed(1),
    ];
  });
  return table([
    [
      'fault',
      'times',
      'recovery s',
      'worst s',
      'pushes repeated',
      'slowest s',
      'queries repeated',
      'slowest s',
    ],
    ...rows,
  ]);
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows
    .map((row) =>
      row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  '),
    )
    .join('\n');
}
