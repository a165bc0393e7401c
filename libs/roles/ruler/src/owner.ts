import type { TenantId } from '@loki/model';

/** Which groups this ruler evaluates: all of them, or those that the ring gives to it. */
export interface RuleOwner {
  /** @param key the group's `groupKey` */
  owns(tenant: TenantId, key: string): boolean;
  /** Calls back when the answer of `owns` may have changed; returns how to stop. */
  onChange(callback: () => void): () => void;
}

/** For a ruler that is alone. */
export const ownsAllRules: RuleOwner = {
  owns: () => true,
  onChange: () => () => {},
};
