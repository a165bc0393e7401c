/** Prometheus' relabelling of series before remote write. */
import { createHash } from 'node:crypto';
import type { LabelPair } from '@loki/model';
import { compileRegex, RegexSyntaxError } from '@loki/regex';
import type { Regex } from '@loki/regex';
import { withLabels } from './evaluate.ts';
import { asList, asNumber, asRecord, asText, SettingError } from './settings.ts';

const actions = [
  'replace',
  'keep',
  'drop',
  'keepequal',
  'dropequal',
  'hashmod',
  'labelmap',
  'labeldrop',
  'labelkeep',
  'lowercase',
  'uppercase',
] as const;
type Action = (typeof actions)[number];

/** One step of relabelling. */
export interface RelabelStep {
  readonly action: Action;
  readonly sourceLabels: readonly string[];
  readonly separator: string;
  readonly targetLabel: string;
  readonly regex: Regex;
  readonly modulus: number;
  readonly replacement: string;
}

/**
 * Reads relabelling steps from the configuration.
 *
 * @param where path of the key, for errors
 * @throws SettingError
 */
export function readRelabelSteps(value: unknown, where: string): RelabelStep[] {
  return asList(value, where).map((item, i) => readStep(asRecord(item, `${where}[${i}]`), `${where}[${i}]`));
}

function readStep(fields: ReadonlyMap<string, unknown>, where: string): RelabelStep {
  const action = asText(fields.get('action') ?? 'replace', `${where}.action`).toLowerCase() as Action;
  if (!actions.includes(action)) throw new SettingError(`${where}: unknown relabel action "${action}"`);
  const targetLabel = asText(fields.get('target_label') ?? '', `${where}.target_label`);
  const needsTarget = ['replace', 'hashmod', 'lowercase', 'uppercase', 'keepequal', 'dropequal'];
  if (targetLabel === '' && needsTarget.includes(action)) {
    throw new SettingError(
      `${where}: relabel configuration for ${action} action requires 'target_label' value`,
    );
  }
  const modulus = asNumber(fields.get('modulus') ?? 0, `${where}.modulus`);
  if (action === 'hashmod' && modulus <= 0) {
    throw new SettingError(`${where}: relabel configuration for hashmod requires non-zero modulus`);
  }
  const pattern = asText(fields.get('regex') ?? '(.*)', `${where}.regex`);
  try {
    return {
      action,
      sourceLabels: asList(fields.get('source_labels'), `${where}.source_labels`).map((name) =>
        asText(name, `${where}.source_labels`),
      ),
      separator: asText(fields.get('separator') ?? ';', `${where}.separator`),
      targetLabel,
      regex: compileRegex(pattern, { anchored: true, dotAll: true }),
      modulus,
      replacement: asText(fields.get('replacement') ?? '$1', `${where}.replacement`),
    };
  } catch (error) {
    if (!(error instanceof RegexSyntaxError)) throw error;
    throw new SettingError(`${where}.regex: ${error.message}`, { cause: error });
  }
}

/** The labels after all steps; undefined: the series is dropped. */
export function relabel(
  labels: readonly LabelPair[],
  steps: readonly RelabelStep[],
): readonly LabelPair[] | undefined {
  if (steps.length === 0) return labels;
  const map = new Map(labels);
  for (const step of steps) if (!relabelOnce(map, step)) return undefined;
  return withLabels(map);
}

/** Applies one step; false: the series is dropped. */
function relabelOnce(labels: Map<string, string>, step: RelabelStep): boolean {
  const { action, regex, targetLabel } = step;
  const source = step.sourceLabels.map((name) => labels.get(name) ?? '').join(step.separator);
  switch (action) {
    case 'keep':
      return regex.test(source);
    case 'drop':
      return !regex.test(source);
    case 'keepequal':
      return (labels.get(targetLabel) ?? '') === source;
    case 'dropequal':
      return (labels.get(targetLabel) ?? '') !== source;
    case 'replace':
      if (regex.test(source)) {
        const target = regex.replaceAll(source, targetLabel);
        if (/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(target)) {
          labels.set(target, regex.replaceAll(source, step.replacement));
        }
      }
      return true;
    case 'lowercase':
      labels.set(targetLabel, source.toLowerCase());
      return true;
    case 'uppercase':
      labels.set(targetLabel, source.toUpperCase());
      return true;
    case 'hashmod':
      labels.set(targetLabel, String(hashModulus(source, step.modulus)));
      return true;
    case 'labelmap':
      for (const [name, value] of Array.from(labels)) {
        if (regex.test(name)) labels.set(regex.replaceAll(name, step.replacement), value);
      }
      return true;
    case 'labeldrop':
      for (const name of Array.from(labels.keys())) if (regex.test(name)) labels.delete(name);
      return true;
    case 'labelkeep':
      for (const name of Array.from(labels.keys())) if (!regex.test(name)) labels.delete(name);
      return true;
  }
}

/** Prometheus takes the last eight bytes of an MD5. */
function hashModulus(text: string, modulus: number): bigint {
  return createHash('md5').update(text).digest().readBigUInt64BE(8) % BigInt(modulus);
}
