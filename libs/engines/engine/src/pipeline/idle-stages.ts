import { stageTraits } from '@loki/logql';
import type { RangeAggExpr, RangeOp, Stage } from '@loki/logql';
import { compileTemplate } from '@loki/template';

/** These count what the lines are made of. */
const countsBytes: ReadonlySet<RangeOp> = new Set<RangeOp>(['bytes_over_time', 'bytes_rate']);

/**
 * The range without the `line_format`s whose text nobody reads: a metric query shows no lines. The reference
 * leaves them out too (its issue 6314), which is observable: what their templates fail for fails no query.
 */
export function withoutIdleFormats(range: RangeAggExpr): RangeAggExpr {
  const { stages } = range.log;
  if (countsBytes.has(range.op) || !stages.some((stage) => stage.kind === 'lineFormat')) return range;
  const lastReader = stages.findLastIndex((stage) => stage.kind !== 'lineFormat' && readsLine(stage));
  const kept = stages.filter((stage, i) => stage.kind !== 'lineFormat' || i < lastReader);
  return { ...range, log: { ...range.log, stages: kept } };
}

/**
 * The stages of a query that needs no label, without each `unpack` that no stage behind it reads the line of.
 * As `json` and `logfmt` it is not run then, which is observable: its errors fail nothing, and bytes are
 * those of the stored line.
 */
export function withoutIdleUnpack(stages: readonly Stage[]): readonly Stage[] {
  const lastReader = stages.findLastIndex((stage) => !stageTraits[stage.kind].isParser && readsLine(stage));
  return stages.filter((stage, i) => stage.kind !== 'unpack' || i < lastReader);
}

/** Does the line decide what comes out of the stage? */
function readsLine(stage: Stage): boolean {
  const { dependsOnLine } = stageTraits[stage.kind];
  if (dependsOnLine !== 'by its templates') return dependsOnLine === 'always';
  return templatesOf(stage).some(({ text, name }) => compileTemplate(text, { name }).usesLine);
}

function templatesOf(stage: Stage): { text: string; name: 'line' | 'label' }[] {
  if (stage.kind === 'lineFormat') return [{ text: stage.template, name: 'line' }];
  if (stage.kind !== 'labelFormat') return [];
  return stage.formats.flatMap((format) =>
    'template' in format ? [{ text: format.template, name: 'label' as const }] : [],
  );
}
