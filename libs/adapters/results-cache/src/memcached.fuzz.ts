/** Answers of a memcached server, in pieces as they come from the network. */
import type { FuzzTarget } from '@loki/test-tools';
import { GetReader, ProtocolFault, ServerRefusal, SetReader } from './memcached-protocol.ts';
import type { AnswerReader } from './memcached-protocol.ts';

const keys = ['a', 'b', 'key'];
const answers = [
  'VALUE a 0 5\r\nhello\r\nVALUE b 0 0\r\n\r\nEND\r\n',
  'END\r\n',
  'VALUE key 1 3\r\n\r\n\r\n\r\nEND\r\n',
  'STORED\r\n',
  'NOT_STORED\r\n',
  'SERVER_ERROR out of memory\r\n',
  'ERROR\r\n',
];

/** The whole answer, given in two pieces cut where its first byte says. */
function takeAll<T>(reader: AnswerReader<T>, input: Buffer): T | undefined {
  const at = (input[0] ?? 0) % (input.length + 1);
  for (const piece of [input.subarray(0, at), input.subarray(at)]) {
    const whole = piece.length > 0 ? reader.take(piece) : undefined;
    if (whole) return whole.answer;
  }
  return undefined;
}

export const targets: readonly FuzzTarget[] = [
  {
    name: 'memcached-answers',
    shape: 'bytes',
    corpus: () => answers,
    words: [
      'VALUE ',
      'END\r\n',
      '\r\n',
      ' 4294967295',
      ' 0 ',
      'a',
      'STORED\r\n',
      'SERVER_ERROR ',
      'CLIENT_ERROR ',
    ],
    isRefusal: (error) => error instanceof ProtocolFault || error instanceof ServerRefusal,
    run: (input) => {
      const values = takeAll(new GetReader(keys, 1024), input);
      for (const [key, value] of values ?? []) {
        if (!keys.includes(key) || value.length > 1024) throw new TypeError('a value that was not asked for');
      }
      return values?.size ?? takeAll(new SetReader(), input);
    },
  },
];
