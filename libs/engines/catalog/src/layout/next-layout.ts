/** The stages by which partitions are added: step *shard* of a written line. */
import type { Layout, LayoutState } from './partition-layout-state.ts';

/** The moment of a decision. */
interface Moment {
  /** The present stage is a minute old, and the store answered meanwhile. */
  readonly hasWaited: boolean;
  /** Row time of a step that is added now. */
  readonly fromSeconds: number;
  /** This process's clock is later than any that the log's writers know. */
  readonly isClockAhead: boolean;
}

/**
 * The next stage; undefined: no next stage, or the present one is too young. The present layout: this process
 * states its clock ahead of the step.
 *
 * @param logPartitions partitions of the write log
 */
export function nextLayout(
  { number, layout }: LayoutState,
  logPartitions: number,
  now: Moment,
): Layout | undefined {
  const { owned, asked, steps } = layout;
  const last = steps.at(-1)!;
  if (number === 0) return layout;
  if (logPartitions > owned) return { owned: logPartitions, asked, steps };
  if (last.count < owned && now.isClockAhead) return layout;
  if (!now.hasWaited) return undefined;
  if (asked < owned) return { owned, asked: owned, steps };
  const isNew = last.count < asked && now.fromSeconds > last.fromSeconds;
  return isNew ? { ...layout, steps: [...steps, { fromSeconds: now.fromSeconds, count: asked }] } : undefined;
}
