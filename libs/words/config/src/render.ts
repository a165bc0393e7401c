/** Shows the configuration as YAML, secrets masked: `/config` and `-print-config-stderr`. */
import { stringify } from 'yaml';
import { renderScalar } from './scalars.ts';
import { schema } from './schema.ts';
import type { BlockSpec, KeySpec } from './schema.ts';
import { defaultValue } from './settings.ts';
import type { Settings } from './settings.ts';

/** `full`: all keys; `diff`: keys that differ from the defaults; `defaults`: the defaults. */
type RenderMode = 'full' | 'diff' | 'defaults';

const masked = '********';

/** Names of keys whose values are secret. */
const secretNames =
  /(?:^|_)(?:password|secret|secret_access_key|session_token|account_key|connection_string|access_key_secret|secret_key|client_secret|acl_token|bearer_token|credentials|api_key|application_credential_secret|client_certificate_key|service_account|token|key)$/;

/** Names that look like a secret's but are none. */
const plainNames = new Set(['access_key_id', 's3_sse_kms_key_id', 'kms_key_id', 'cert_ref', 'key_ref']);

/** The configuration as YAML in the table's order, secrets masked. */
export function renderConfig(settings: Settings, mode: RenderMode = 'full'): string {
  const tree = renderBlock(schema().root, settings, mode);
  return stringify(tree ?? {}, { indent: 4, lineWidth: 0, aliasDuplicateObjects: false });
}

function renderBlock(block: BlockSpec, settings: Settings, mode: RenderMode): object | undefined {
  const entries: [string, unknown][] = [];
  for (const [name, spec] of block.keys) {
    const value = spec.node === 'block' ? renderBlock(spec, settings, mode) : renderKey(spec, settings, mode);
    if (value !== undefined) entries.push([name, value]);
  }
  if (mode === 'diff' && entries.length === 0) return undefined;
  return Object.fromEntries(entries);
}

function renderKey(spec: KeySpec, settings: Settings, mode: RenderMode): unknown {
  const fallback = defaultValue(spec);
  const value = mode === 'defaults' ? fallback : settings.peek(spec.path);
  if (value === undefined) return undefined;
  const rendered = maskValue(
    spec.name,
    spec.kind === 'any' || spec.kind === 'blocks' ? value : renderScalar(spec.kind, value),
  );
  if (mode !== 'diff') return rendered;
  const isDefault =
    fallback !== undefined &&
    JSON.stringify(renderScalar(spec.kind, fallback)) === JSON.stringify(renderScalar(spec.kind, value));
  return isDefault ? undefined : rendered;
}

/** Masks secrets by name, also deep inside free-form subtrees, and passwords inside URLs. */
export function maskValue(name: string, value: unknown): unknown {
  if (typeof value === 'string') {
    if (value !== '' && secretNames.test(name) && !plainNames.has(name)) return masked;
    return value.replace(/^([a-z][a-z0-9+.-]*:\/\/[^/:@\s]*):[^@/\s]+@/i, `$1:${masked}@`);
  }
  if (Array.isArray(value)) return value.map((item) => maskValue(name, item));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, maskValue(key, inner)]));
  }
  return value;
}
