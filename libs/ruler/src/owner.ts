/** Which groups this ruler evaluates: all of them, or those whose token the ring gives to it. */
export interface RuleOwner {
  owns(token: number): boolean;
  /** Calls back when the answer of `owns` may have changed; returns how to stop. */
  onChange(callback: () => void): () => void;
}

/** For a ruler that is alone. */
export const ownsAllRules: RuleOwner = {
  owns: () => true,
  onChange: () => () => {},
};
