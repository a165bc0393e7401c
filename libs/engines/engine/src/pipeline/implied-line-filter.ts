/** Line filters that follow from label filters after a parser: they save parsing. */
import { plainPartsOf } from '@loki/segment';
import type { Block, Section } from '@loki/segment';
import { LineFilter } from './line-filter.ts';
import type { LabelRequirement, Requirement } from './requirement.ts';
import type { RowSelection } from './row-selection.ts';

/** Shortest part that is searched: shorter ones occur in too many lines. */
const partCharsMin = 4;

/** The start of an escape of a plain character, in JSON and logfmt. */
const escapeStart = '\\u00';

/**
 * The line filter that a label filter after a parser implies: a line with `trace_id="4bf9…"` contains the
 * value or an escape. The block is searched as a whole, and other lines are never parsed.
 */
export class ImpliedLineFilter {
  readonly #label: string;
  readonly #value: string;
  readonly #filter: LineFilter;

  /** @param texts of which a line with the value contains at least one */
  constructor(label: string, value: string, texts: readonly string[]) {
    this.#label = label;
    this.#value = value;
    const operands = texts.map((text) => ({ text, ip: false }));
    this.#filter = new LineFilter({ kind: 'lineFilter', op: '|=', operands });
  }

  /**
   * Selects the rows of a block that may pass: all rows if a stream has the label or the metadata the value.
   */
  select(selection: RowSelection, section: Section, block: Block): void {
    if (section.labelIndex.names.includes(this.#label)) return;
    const isInMetadata = block.info.metadataNames.includes(this.#label);
    if (isInMetadata && block.metadataColumn(this.#label)?.values.includes(this.#value)) return;
    this.#filter.select(selection, block.lines(), block.lineEnds());
  }
}

export function impliedLineFilters(requirement: Requirement | undefined): ImpliedLineFilter[] {
  if (!requirement) return [];
  if (requirement.kind === 'all') return requirement.items.flatMap(impliedLineFilters);
  return requirement.kind === 'label' ? ofLabel(requirement) : [];
}

function ofLabel({ name, values, inLine }: LabelRequirement): ImpliedLineFilter[] {
  if (values?.length !== 1 || typeof inLine === 'string') return [];
  const [value] = values;
  if (!isEscaped(inLine)) return [new ImpliedLineFilter(name, value, [value])];
  const part = plainPartsOf(value).reduce((best, each) => (each.length > best.length ? each : best), '');
  return part.length < partCharsMin ? [] : [new ImpliedLineFilter(name, value, [part, escapeStart])];
}

function isEscaped(inLine: Requirement): boolean {
  if (inLine.kind === 'line') return inLine.needle.mayBeEscaped;
  return inLine.kind !== 'label' && inLine.items.some(isEscaped);
}
