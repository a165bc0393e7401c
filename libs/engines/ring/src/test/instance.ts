/** Helper of ring tests: a member of a ring. */
import type { RingInstance } from '../instance.ts';
import type { ObservedInstance } from '../ring.ts';
import { tokensOf } from '../tokens.ts';

/** An active member with the tokens of its id. */
export function instanceOf(id: string, more?: Partial<RingInstance>): RingInstance {
  return {
    id,
    address: `${id}:9095`,
    zone: '',
    state: 'ACTIVE',
    readOnly: false,
    tokens: tokensOf(id),
    incarnation: 'i',
    beat: 1,
    heartbeatMs: 1000,
    registeredMs: 500,
    ...more,
  };
}

/** The same as a reader of the ring sees it. */
export function observedOf(id: string, more?: Partial<ObservedInstance>): ObservedInstance {
  return { isHealthy: true, ...instanceOf(id), ...more };
}
