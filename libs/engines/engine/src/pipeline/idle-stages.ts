/** Leaves out stages that cannot change a metric query's result: step *plan* of a query. */
import { stageTraits } from '@loki/logql';
import type { RangeAggExpr, RangeOp, Stage } from '@loki/logql';
import { compileTemplate } from '@loki/template';

/** Operations that depend on the bytes of lines. */
const countsBytes: ReadonlySet<RangeOp> = new Set<RangeOp>(['bytes_over_time', 'bytes_rate']);

/**
 * The range without `line_format` stages whose text no later stage reads: a metric query shows no lines. Loki
 * leaves them out too (its issue 6314), which users can see: errors of their templates fail no query.
 */
export function withoutIdleFormats(range: RangeAggExpr): RangeAggExpr {
  const { stages } = range.log;
  if (countsBytes.has(range.op) || !stages.some((stage) => stage.kind === 'lineFormat')) return range;
  const lastReader = stages.findLastIndex((stage) => stage.kind !== 'lineFormat' && readsLine(stage));
  const used = stages.filter((stage, i) => stage.kind !== 'lineFormat' || i < lastReader);
  return { ...range, log: { ...range.log, stages: used } };
}

/**
 * The stages of a query that needs no label, without each `unpack` whose line no later stage reads. Like
 * `json` and `logfmt` it does not run then, which users can see: its errors fail no query, and bytes are
 * those of the stored line.
 */
export function withoutIdleUnpack(stages: readonly Stage[]): readonly Stage[] {
  const lastReader = stages.findLastIndex((stage) => !stageTraits[stage.kind].isParser && readsLine(stage));
  return stages.filter((stage, i) => stage.kind !== 'unpack' || i < lastReader);
}

/** Whether the output of the stage depends on the line. */
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
