/** Labels of streams, of structured metadata, and those that parsers find. */
export const streamNames = ['app', 'env', 'format', 'pod', 'level', 'missing'] as const;
export const fieldNames = [
  'level', 'status', 'latency', 'dur', 'size', 'msg', 'user_id', 'user_name', 'trace_id', 'user', 'ip', 'app_extracted',
  'env_extracted', 'bad_name_x', 'ok', 'x', 'y', 'empty',
] as const; // prettier-ignore
export const labelNames = [...streamNames, ...fieldNames, '__error__'] as const;
export const groupNames = [
  'app',
  'env',
  'format',
  'pod',
  'level',
  'status',
  'trace_id',
  'user',
  'x',
  'nothing',
] as const;

/** Go's quoting, or backticks where possible. */
export function quoted(text: string, raw = false): string {
  return raw && !text.includes('`') ? `\`${text}\`` : JSON.stringify(text);
}
