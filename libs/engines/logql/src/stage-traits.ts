/**
 * Traits of the pipeline stages, by which planning decides what may move or be skipped: step *plan* of a
 * query.
 */
import type { Stage } from './ast.ts';

interface StageTraits {
  /** The stage extracts labels from the line. */
  readonly isParser: boolean;
  /** Later stages see another line: a line filter may not move ahead of it. */
  readonly replacesLine: boolean;
  /**
   * Labels or errors may be different after the stage: a filter on stored labels may not move ahead of it.
   */
  readonly changesLabels: boolean;
  /** The stage needs the line's bytes. */
  readonly needsLine: boolean;
  /** Whether the line decides which labels come out of the stage, and whether the row passes. */
  readonly dependsOnLine: 'always' | 'by its templates' | 'never';
  /** The stage may be part of the shorter probe pipeline, which finds early that a row will be dropped. */
  readonly mayProbe: boolean;
  /** The stage costs as much per line as a parser, not as a search. */
  readonly hasParserCost: boolean;
}

const parser: StageTraits = {
  isParser: true,
  replacesLine: false,
  changesLabels: true,
  needsLine: true,
  dependsOnLine: 'always',
  mayProbe: true,
  hasParserCost: true,
};

const onLabels: StageTraits = {
  isParser: false,
  replacesLine: false,
  changesLabels: true,
  needsLine: false,
  dependsOnLine: 'never',
  mayProbe: true,
  hasParserCost: false,
};

/** One record for all kinds of stages: a kind without an entry is a type error. */
export const stageTraits: Readonly<Record<Stage['kind'], StageTraits>> = {
  lineFilter: { ...onLabels, changesLabels: false, needsLine: true, dependsOnLine: 'always' },
  json: parser,
  logfmt: parser,
  regexp: parser,
  pattern: parser,
  unpack: { ...parser, replacesLine: true, mayProbe: false },
  // It changes the line, but later filters see the stored line, as in Loki (its issue 18898).
  decolorize: { ...onLabels, changesLabels: false, needsLine: true, mayProbe: false },
  // A filter changes labels: it sets errors.
  labelFilter: onLabels,
  lineFormat: {
    ...onLabels,
    replacesLine: true,
    needsLine: true,
    dependsOnLine: 'by its templates',
    mayProbe: false,
    hasParserCost: true,
  },
  labelFormat: { ...onLabels, needsLine: true, dependsOnLine: 'by its templates', mayProbe: false },
  drop: onLabels,
  keep: onLabels,
};
