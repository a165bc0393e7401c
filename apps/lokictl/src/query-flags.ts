/** Flags of the commands that query logs. */
import { adminFlags } from './admin-client.ts';
import { UsageError } from './command.ts';
import type { FlagSpec, ParsedArgs } from './command.ts';

/**
 * Flags of every command that queries logs. Times are passed on unchanged: the server knows all their forms.
 */
export const rangeFlags: readonly FlagSpec[] = [
  {
    name: 'tenant',
    value: 'ID',
    summary: 'tenant that owns the logs, needed where authentication is on; several as a|b',
  },
  {
    name: 'start',
    value: 'TIME',
    summary: 'start of the range: seconds or nanoseconds since 1970, or RFC 3339',
  },
  { name: 'end', value: 'TIME', summary: 'end of the range, in the same forms; default: now' },
  { name: 'since', value: 'DURATION', summary: 'length of the range, instead of --start; default 1h' },
];

export const queryFlags: readonly FlagSpec[] = [
  ...rangeFlags,
  { name: 'limit', value: 'LINES', summary: 'maximum number of lines; default 100' },
  { name: 'direction', value: 'DIRECTION', summary: 'order of lines: forward or backward (default)' },
  { name: 'step', value: 'DURATION', summary: 'time between two samples of a metric query' },
  { name: 'time', value: 'TIME', summary: 'evaluate a metric query at this moment, instead of over a range' },
  ...adminFlags,
];

/** Parameters of the API from the flags. */
export function paramsOf({ flags }: ParsedArgs, names: readonly string[]): URLSearchParams {
  const params = new URLSearchParams();
  for (const name of names) {
    const value = flags.get(name);
    if (value !== undefined) params.set(name, value);
  }
  return params;
}

export function tenantHeaders({ flags }: ParsedArgs): Record<string, string> {
  const tenant = flags.get('tenant');
  if (tenant === '') throw new UsageError('--tenant needs a value: ID');
  return tenant === undefined ? {} : { 'x-scope-orgid': tenant };
}
