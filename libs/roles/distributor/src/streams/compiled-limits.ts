/** Caches the compiled form of a tenant's limits. */
import type { Limits } from '@loki/config';
import type { GenericField } from '../levels/generic-fields.ts';
import { LevelFields } from '../levels/level-fields.ts';
import { compilePolicies } from './policies.ts';
import type { Policy } from './policies.ts';
import { compileRetention } from './stream-retention.ts';
import type { StreamRetention } from './stream-retention.ts';

/** A tenant's limits in the form that the hot path needs. */
interface CompiledLimits {
  /** Label and metadata names that state a level, in order of preference. */
  readonly levelFields: readonly string[];
  /** The same names as columns of a batch; also in the valid form of metadata names. */
  readonly levelRanks: ReadonlyMap<string, number>;
  /** The same for lines. */
  readonly lineLevelFields: LevelFields;
  readonly policies: readonly Policy[];
  readonly retention: StreamRetention;
  readonly genericFields: readonly GenericField[];
}

const compiled = new WeakMap<Limits, CompiledLimits>();

/** The compiled form of a limits object; a reload of overrides brings a new object. */
export function compiledLimits(limits: Limits): CompiledLimits {
  let result = compiled.get(limits);
  if (!result) {
    result = {
      levelFields: limits.logLevelFields,
      levelRanks: ranksOf(limits.logLevelFields),
      lineLevelFields: new LevelFields(limits.logLevelFields),
      policies: compilePolicies(limits),
      retention: compileRetention(limits),
      genericFields: [...limits.discoverGenericFields].map(([name, hints]) => ({ name, hints })),
    };
    compiled.set(limits, result);
  }
  return result;
}

function ranksOf(fields: readonly string[]): Map<string, number> {
  const ranks = new Map<string, number>();
  fields.forEach((field, rank) => {
    for (const name of [field, field.replace(/[^a-zA-Z0-9]+/g, '_')]) {
      if (!ranks.has(name)) ranks.set(name, rank);
    }
  });
  return ranks;
}
