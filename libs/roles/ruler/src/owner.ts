/** Which rule groups a ruler evaluates. */
import type { TenantId } from '@loki/model';

/** The share of rule groups that this ruler evaluates: all, or those that the ring assigns to it. */
export interface RuleOwner {
  /** @param key the group's `groupKey` */
  owns(tenant: TenantId, key: string): boolean;
  /** Calls back when the result of `owns` may have changed; returns a function that ends this. */
  onChange(callback: () => void): () => void;
}

/** The RuleOwner of a single ruler: it owns every group, and ownership never changes. */
export const ownsAllRules: RuleOwner = {
  owns: () => true,
  onChange: () => () => {},
};
