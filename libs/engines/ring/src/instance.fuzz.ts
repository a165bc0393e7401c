/** Values of the ring store, which anyone who reaches the store may have written. */
import type { FuzzTarget } from '@loki/test-tools';
import { agree, formerValueOf } from './former-value.ts';
import { decodeInstance, decodeInstances, encodeInstance, encodeInstances } from './instance.ts';

const value = encodeInstances([
  { id: 'a', address: '10.0.0.1:9095', zone: 'z', state: 'ACTIVE', readOnly: false, tokens: [1, 2 ** 31, 2 ** 32 - 1], incarnation: 'x', beat: 5, heartbeatMs: 1, registeredMs: 1 },
  { id: 'b', address: '10.0.0.2:9095', zone: '', state: 'LEAVING', readOnly: true, readOnlyMs: 7, tokens: [], incarnation: 'y', beat: 0, heartbeatMs: 1, registeredMs: 1 },
]); // prettier-ignore

export const targets: readonly FuzzTarget[] = [
  {
    name: 'ring-value',
    shape: 'text',
    corpus: () => [
      value,
      '{"version":1,"instances":[]}',
      value.replace('[1,2147483648', '[9,5'),
      '[]',
      'null',
    ],
    words: [
      '"ACTIVE"',
      '"tokens"',
      '"id"',
      '"__proto__"',
      '"beat"',
      'null',
      '1e999',
      '-1',
      '4294967296',
      '0.5',
    ],
    isRefusal: () => false,
    // A value that is none of ours is no ring; one that is taken can be used and written again.
    run: (input) => {
      const instances = decodeInstances(input.toString());
      if (instances === undefined) return 'no ring';
      for (const [id, { readOnlyMs, tokens }] of instances) {
        if (readOnlyMs !== undefined && typeof readOnlyMs !== 'number') {
          throw new TypeError('a time that is none');
        }
        if (tokens.some((token, i) => i > 0 && token < tokens[i - 1])) {
          throw new TypeError(`tokens of ${id} fall`);
        }
      }
      const written = encodeInstances(instances.values());
      const again = decodeInstances(written);
      if (!again || encodeInstances(again.values()) !== written) {
        throw new TypeError('written again, a ring differs');
      }
      return instances.size;
    },
  },
  {
    name: 'ring-entry',
    shape: 'text',
    corpus: () => [
      ...[...(decodeInstances(value) ?? new Map()).values()].map(encodeInstance),
      '{"address":"a:1","zone":"","state":"ACTIVE","readOnly":false,"tokenCount":128,"incarnation":"x","beat":1,"heartbeatMs":1,"registeredMs":1}',
    ],
    words: ['"tokenCount"', '"tokens"', '"copied":true', '"id"', '"__proto__"', '1024', '1e999', '-1', '0.5'],
    isRefusal: () => false,
    // An entry that is none of ours is no member; one that is taken is written again as the same, in both
    // forms.
    run: (input) => {
      const instance = decodeInstance('a', input.toString());
      if (instance === undefined) return 'no member';
      const entry = encodeInstance(instance);
      const again = decodeInstance('a', entry);
      if (!again || encodeInstance(again) !== entry) throw new TypeError('written again, an entry differs');
      const shown = formerValueOf(new Map([['a', entry]]));
      if (decodeInstances(shown)?.size !== 1) {
        throw new TypeError('the former version does not see the member');
      }
      agree(new Map([['a', entry]]), shown, new Map());
      return instance.tokens.length;
    },
  },
];
