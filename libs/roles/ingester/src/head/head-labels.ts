/** Names and values of the labels in a head: Grafana asks for them first. */
import { groupOf } from '@loki/engine';
import type { StreamGrouping, StreamVolume } from '@loki/ports';
import { HeadVolumes } from './head-volumes.ts';
import type { Head } from './head.ts';
import type { LabelName } from './label-values.ts';
import { selectStreams } from './select.ts';
import type { HeadSelection } from './select.ts';

/**
 * Labels of the selected streams, grouped by name. When the range holds all rows of the tenant and all its
 * streams are selected, its index answers; otherwise the matching streams are read.
 */
export function headLabels(
  head: Head,
  selection: HeadSelection,
  { names, withValues = false }: StreamGrouping,
): StreamVolume[] {
  const { streams } = head;
  const tenant = streams.tenants.get(selection.tenant);
  if (!tenant) return [];
  const isNamed = ({ text }: LabelName) => names?.includes(text) ?? true;
  if (selection.matchers.length === 0 && head.isWithin(tenant, selection)) {
    return [...tenant.names.values()]
      .filter(isNamed)
      .map(({ text, values }) => groupOf(text, withValues ? [...values.keys()] : undefined));
  }
  const valuesOfName = new Map<LabelName, Set<number>>();
  const volumes = new HeadVolumes(head, selection);
  for (const stream of selectStreams(head, selection)) {
    if (!volumes.isAny(stream)) continue;
    for (let place = 0; place < streams.labelCount(stream); place++) {
      const value = streams.valueAt(stream, place);
      const name = streams.values.name(value);
      const ofName = valuesOfName.get(name);
      if (ofName) ofName.add(value);
      else valuesOfName.set(name, new Set([value]));
    }
  }
  return [...valuesOfName]
    .filter(([name]) => isNamed(name))
    .map(([{ text }, values]) =>
      groupOf(text, withValues ? Array.from(values, (value) => streams.values.text(value)) : undefined),
    );
}
