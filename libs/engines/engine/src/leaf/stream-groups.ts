/** Label names and values of a section's streams, from the index alone. */
import type { StreamGrouping, StreamVolume } from '@loki/ports';
import type { LabelIndex } from '@loki/segment';

/**
 * The labels of a section's streams, as groups by name: from the dictionaries alone or, for some streams,
 * from their codes.
 *
 * @param streams absent: all streams of the section
 */
export function labelGroups(
  index: LabelIndex,
  { names, withValues = false }: StreamGrouping,
  streams?: Uint32Array,
): StreamVolume[] {
  if (streams && !names) return groupsOfCells(index, streams, withValues);
  const groups: StreamVolume[] = [];
  for (const name of names ?? index.names) {
    if (!index.names.includes(name)) continue;
    const values = streams ? valuesOf(index, name, streams) : withValues ? index.values(name) : [];
    if (!streams || values.length > 0) groups.push(groupOf(name, withValues ? values : undefined));
  }
  return groups;
}

/** Groups of every label. */
function groupsOfCells(index: LabelIndex, streams: Uint32Array, withValues: boolean): StreamVolume[] {
  const { starts, column, code } = index.cells();
  const codesByColumn: (Set<number> | undefined)[] = [];
  for (const stream of streams) {
    for (let i = starts[stream]; i < starts[stream + 1]; i++) {
      const codes = (codesByColumn[column[i]] ??= new Set());
      if (withValues) codes.add(code[i]);
    }
  }
  const groups: StreamVolume[] = [];
  index.names.forEach((name, at) => {
    const codes = codesByColumn[at];
    if (!codes) return;
    const values = withValues ? index.values(name) : [];
    groups.push(groupOf(name, withValues ? Array.from(codes, (each) => values[each - 1]) : undefined));
  });
  return groups;
}

/** The values of one label that the given streams have. */
function valuesOf(index: LabelIndex, name: string, streams: Uint32Array): string[] {
  const values = index.values(name);
  const codes = index.codes(name);
  const isThere = new Uint8Array(values.length + 1);
  for (const stream of streams) isThere[codes[stream]] = 1;
  return values.filter((_, i) => isThere[i + 1] === 1);
}

/** An empty volume for all streams with the label `name`; `values`: the label's values, if requested. */
export function groupOf(name: string, values: readonly string[] | undefined): StreamVolume {
  const group = { labels: [[name, ''] as const], entries: 0, lineBytes: 0 };
  return values ? { ...group, values } : group;
}
