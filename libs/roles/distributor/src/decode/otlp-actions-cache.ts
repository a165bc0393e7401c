/** Compiles and caches a tenant's `otlp_config`: which attributes become labels or metadata. */
import type { Limits, OtlpAction, OtlpAttributesConfig } from '@loki/config';
import { compileRegex } from '@loki/regex';
import type { Regex } from '@loki/regex';

/** The action for each attribute of one level (resource, scope or record), by name. */
class AttributeActions {
  readonly #named = new Map<string, OtlpAction>();
  readonly #patterns: readonly { readonly regex: Regex; readonly action: OtlpAction }[];

  /** Earlier rules win. */
  constructor(rules: readonly OtlpAttributesConfig[]) {
    const patterns: { regex: Regex; action: OtlpAction }[] = [];
    for (const { action, attributes, regex } of rules) {
      for (const name of attributes) if (!this.#named.has(name)) this.#named.set(name, action);
      if (regex !== '') patterns.push({ regex: compileRegex(regex, { anchored: true }), action });
    }
    this.#patterns = patterns;
  }

  of(name: string): OtlpAction {
    const named = this.#named.get(name);
    if (named !== undefined) return named;
    for (const { regex, action } of this.#patterns) if (regex.test(name)) return action;
    return 'structured_metadata';
  }
}

/** A tenant's `otlp_config`, compiled. */
export interface OtlpActions {
  readonly resource: AttributeActions;
  readonly scope: AttributeActions;
  readonly record: AttributeActions;
}

/** Compiles each tenant's configuration once per limits object. */
export class OtlpActionsCache {
  readonly #indexAttributes: readonly string[];
  readonly #compiled = new WeakMap<Pick<Limits, 'otlp'>, OtlpActions>();

  /** @param indexAttributes resource attributes that are labels unless a tenant says otherwise */
  constructor(indexAttributes: readonly string[]) {
    this.#indexAttributes = indexAttributes;
  }

  of(limits: Pick<Limits, 'otlp'>): OtlpActions {
    let actions = this.#compiled.get(limits);
    if (!actions) this.#compiled.set(limits, (actions = this.#compile(limits)));
    return actions;
  }

  #compile(limits: Pick<Limits, 'otlp'>): OtlpActions {
    const { resourceAttributes, scopeAttributes, logAttributes } = limits.otlp;
    const defaults: OtlpAttributesConfig[] = resourceAttributes.ignoreDefaults
      ? []
      : [{ action: 'index_label', attributes: this.#indexAttributes, regex: '' }];
    return {
      resource: new AttributeActions([...resourceAttributes.attributesConfig, ...defaults]),
      scope: new AttributeActions(scopeAttributes),
      record: new AttributeActions(logAttributes),
    };
  }
}
