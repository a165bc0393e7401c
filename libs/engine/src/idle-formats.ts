import type { RangeAggExpr, RangeOp, Stage } from '@loki/logql';
import { compileTemplate } from '@loki/template';

/** These count what the lines are made of. */
const countsBytes: ReadonlySet<RangeOp> = new Set<RangeOp>(['bytes_over_time', 'bytes_rate']);

/**
 * The range without the `line_format`s whose text nobody reads: a metric query shows no lines. The reference leaves them
 * out too (its issue 6314), which is observable: what their templates fail for fails no query.
 */
export function withoutIdleFormats(range: RangeAggExpr): RangeAggExpr {
  const { stages } = range.log;
  if (countsBytes.has(range.op) || !stages.some((stage) => stage.kind === 'lineFormat')) return range;
  const lastReader = stages.findLastIndex(readsLine);
  const kept = stages.filter((stage, i) => stage.kind !== 'lineFormat' || i < lastReader);
  return { ...range, log: { ...range.log, stages: kept } };
}

/** Does the stage look at the line, for more than to make another of it? */
function readsLine(stage: Stage): boolean {
  switch (stage.kind) {
    case 'lineFilter':
    case 'json':
    case 'logfmt':
    case 'regexp':
    case 'pattern':
    case 'unpack':
      return true;
    case 'labelFormat':
      return stage.formats.some(
        (format) => 'template' in format && compileTemplate(format.template, { name: 'label' }).usesLine,
      );
    default:
      return false;
  }
}
