/** Compiles the stages of a log query; each row of a scan runs through them. */
import { parseJsonPath, stageTraits } from '@loki/logql';
import type { LabelFilter, Stage } from '@loki/logql';
import { compileTemplate } from '@loki/template';
import { ByteText } from '../common/byte-text.ts';
import { compileBaseFilter } from './base-filter.ts';
import type { BaseFilter } from './base-filter.ts';
import { DecolorizeStage } from './decolorize-stage.ts';
import { DropStage, KeepStage } from './drop-keep-stage.ts';
import { LabelFormatStage, LineFormatStage } from './format-stage.ts';
import { JsonExtractStage } from './json-extract-stage.ts';
import { compileJsonPath } from './json-path.ts';
import { JsonStage } from './json-stage.ts';
import { compileLabelFilter, labelsOfFilter, looksAtErrors } from './label-filter.ts';
import { LineFilter } from './line-filter.ts';
import { LogfmtExtractStage, LogfmtStage } from './logfmt-stage.ts';
import { NeededLabels } from './needed-labels.ts';
import { PatternStage } from './pattern-stage.ts';
import { RegexpStage } from './regexp-stage.ts';
import type { Row } from './row.ts';
import { UnpackStage } from './unpack-stage.ts';

/** A stage that processes one row at a time. */
export interface RowStage {
  /** False drops the row. */
  run(row: Row): boolean;
}

/**
 * A pipeline in the cheapest order: filters on metadata, then line filters over whole blocks, then other
 * stages row by row. The result is the same as in the written order.
 */
export interface Pipeline {
  readonly baseFilters: readonly BaseFilter[];
  readonly lineFilters: readonly LineFilter[];
  readonly stages: readonly RowStage[];
  /** Whether a stage reads lines. */
  readonly readsLines: boolean;
  /** Whether `stages` may drop rows: parsers and formats change them and keep all. */
  readonly dropsRows: boolean;
  /** A shorter pipeline that finds rows which will be dropped; absent when there is none. */
  readonly probe?: Probe;
}

/**
 * The stages up to the last label filter, which extract only the labels of filters. A log query needs all
 * labels of the few rows that pass; the probe avoids parsing the many others completely. The pipeline drops
 * every row that the probe drops.
 */
interface Probe {
  readonly stages: readonly RowStage[];
  readonly needed: NeededLabels;
}

/**
 * @param needed labels that are used after the parsers
 * @throws LokiError badRequest for errors that the parser of LogQL cannot see
 */
export function compilePipeline(stages: readonly Stage[], needed: NeededLabels): Pipeline {
  const baseFilters: BaseFilter[] = [];
  const lineFilters: LineFilter[] = [];
  const rowStages: RowStage[] = [];
  const texts = new ByteText();
  /** Stages that run row by row. */
  const rowSpecs: Stage[] = [];
  // A line filter may move before stages that do not change the line: it drops the same rows either way, and
  // the effects of stages on dropped rows are not visible. The same holds for filters on labels that no
  // earlier stage can change. `decolorize` is no exception: Loki's filters after it still see the colours
  // (its issue 18898), and so do these.
  let isLineChanged = false;
  /** Index after the last row stage that changed the line. */
  let lineAt = 0;
  let areLabelsChanged = false;
  let readsLines = false;
  for (const stage of stages) {
    if (stage.kind === 'lineFilter' && !isLineChanged) {
      lineFilters.push(new LineFilter(stage));
      readsLines = true;
      continue;
    }
    if (stage.kind === 'labelFilter' && !areLabelsChanged) {
      const filter = compileBaseFilter(stage.filter);
      if (filter) {
        baseFilters.push(filter);
        continue;
      }
    }
    const traits = stageTraits[stage.kind];
    if (traits.changesLabels) areLabelsChanged = true;
    const compiled = compileStage(stage, needed, texts);
    if (!compiled) continue;
    const at = stage.kind === 'lineFilter' ? lineAt++ : rowSpecs.length;
    rowSpecs.splice(at, 0, stage);
    rowStages.splice(at, 0, compiled);
    if (traits.replacesLine) {
      isLineChanged = true;
      lineAt = rowSpecs.length;
    }
    if (traits.needsLine) readsLines = true;
  }
  return {
    baseFilters,
    lineFilters,
    stages: rowStages,
    readsLines,
    dropsRows: rowSpecs.some(({ kind }) => kind === 'lineFilter' || kind === 'labelFilter'),
    probe: compileProbe(rowSpecs, needed, texts),
  };
}

function compileProbe(rowSpecs: readonly Stage[], needed: NeededLabels, texts: ByteText): Probe | undefined {
  if (!needed.isAll) return undefined;
  const end = rowSpecs.findIndex((stage) => !stageTraits[stage.kind].mayProbe);
  const open = end < 0 ? rowSpecs : rowSpecs.slice(0, end);
  const probed = open.slice(0, open.findLastIndex((stage) => stage.kind === 'labelFilter') + 1);
  if (!probed.some((stage) => stageTraits[stage.kind].isParser)) return undefined;
  const names = new Set<string>();
  for (const stage of probed) {
    if (stage.kind === 'labelFilter') labelsOfFilter(stage.filter).forEach((name) => names.add(name));
    if (stage.kind !== 'drop' && stage.kind !== 'keep') continue;
    for (const target of stage.targets) if (typeof target !== 'string') names.add(target.name);
  }
  // Parsers stop at the last label that a filter names, unless a filter tests errors, which may be in the
  // rest of the line.
  const mayStop = !probed.some((stage) => stage.kind === 'labelFilter' && looksAtErrors(stage.filter));
  const filterLabels = new NeededLabels(names, mayStop);
  const stages = probed.flatMap((stage) => compileStage(stage, filterLabels, texts) ?? []);
  return { stages, needed: filterLabels };
}

function compileStage(stage: Stage, needed: NeededLabels, texts: ByteText): RowStage | undefined {
  switch (stage.kind) {
    case 'lineFilter':
      return new LineFilter(stage);
    case 'json':
      return needed.isNone ? undefined : jsonStage(stage.extractions, needed, texts);
    case 'logfmt':
      if (needed.isNone) return undefined;
      return stage.extractions.length === 0
        ? new LogfmtStage(stage, needed, texts)
        : new LogfmtExtractStage(stage, needed, texts);
    case 'regexp': {
      const regexp = new RegexpStage(stage.pattern, needed);
      return regexp.isIdle ? undefined : regexp;
    }
    case 'pattern': {
      const pattern = new PatternStage(stage.pattern, needed, texts);
      return pattern.names.some((name) => needed.wants(name)) ? pattern : undefined;
    }
    case 'unpack':
      return new UnpackStage(needed, texts);
    case 'decolorize':
      return new DecolorizeStage();
    case 'labelFilter':
      return new LabelFilterStage(stage.filter);
    case 'lineFormat':
      return new LineFormatStage(stage.template);
    case 'labelFormat':
      return new LabelFormatStage(stage.formats);
    case 'drop':
      return new DropStage(stage.targets);
    case 'keep':
      return new KeepStage(stage.targets);
    default:
      // Without this check a kind without a case would silently be left out of queries.
      return stage satisfies never;
  }
}

function jsonStage(
  extractions: readonly { label: string; expression: string }[],
  needed: NeededLabels,
  texts: ByteText,
): RowStage {
  if (extractions.length === 0) return new JsonStage(needed, texts);
  const paths = extractions.map(({ label, expression }) => ({
    label,
    path: compileJsonPath(parseJsonPath(expression)),
  }));
  return new JsonExtractStage(paths, needed, texts);
}

class LabelFilterStage implements RowStage {
  readonly run: (row: Row) => boolean;

  constructor(filter: LabelFilter) {
    this.run = compileLabelFilter(filter);
  }
}

/** Labels that the stages themselves read; undefined: possibly all. */
export function labelsReadBy(stages: readonly Stage[]): Set<string> | undefined {
  const names = new Set<string>();
  const addTemplate = (text: string, name: 'line' | 'label') => {
    const template = compileTemplate(text, { name });
    template.labelNames.forEach((label) => names.add(label));
    return !template.usesAllLabels;
  };
  for (const stage of stages) {
    if (stage.kind === 'labelFilter') labelsOfFilter(stage.filter).forEach((name) => names.add(name));
    if (stage.kind === 'lineFormat' && !addTemplate(stage.template, 'line')) return undefined;
    if (stage.kind !== 'labelFormat') continue;
    for (const format of stage.formats) {
      if ('rename' in format) names.add(format.rename);
      else if (!addTemplate(format.template, 'label')) return undefined;
    }
  }
  return names;
}
