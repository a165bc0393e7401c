/** A member of a ring as tests of wiring see it: healthy and active, unless they say otherwise. */
import { tokensOf } from '@loki/ring';
import type { ObservedInstance } from '@loki/ring';

export function observedMember(id: string, more: Partial<ObservedInstance> = {}): ObservedInstance {
  return {
    id,
    address: `${id}:9095`,
    zone: '',
    state: 'ACTIVE',
    readOnly: false,
    tokens: tokensOf(id),
    incarnation: '',
    beat: 1,
    heartbeatMs: 0,
    registeredMs: 0,
    isHealthy: true,
    ...more,
  };
}
