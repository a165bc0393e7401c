/**
 * Protects the meaning of a cut: the proxy cuts exactly the answers that acknowledge lines, for any arrival
 * of the bytes.
 */
import { ProduceAnswers, PushAnswers } from './protocols.ts';

const request = (apiKey: number, correlationId: number, bytes: number): Buffer => {
  const frame = Buffer.alloc(4 + bytes, 7);
  frame.writeInt32BE(bytes, 0);
  frame.writeInt16BE(apiKey, 4);
  frame.writeInt16BE(9, 6);
  frame.writeInt32BE(correlationId, 8);
  return frame;
};

const answer = (correlationId: number, bytes: number): Buffer => {
  const frame = Buffer.alloc(4 + bytes, 7);
  frame.writeInt32BE(bytes, 0);
  frame.writeInt32BE(correlationId, 4);
  return frame;
};

const produce = 0;
const fetch = 1;

test.each([1, 2, 3, 5, 11, 64, 1_000])('answers to Produce are told from others, in chunks of %i', (size) => {
  const protocol = new ProduceAnswers();
  const sent = Buffer.concat([
    request(fetch, 1, 40),
    request(produce, 2, 300),
    request(fetch, 3, 8),
    request(produce, 4, 12),
  ]);
  for (let at = 0; at < sent.length; at += size) protocol.observe(sent.subarray(at, at + size));
  let cuts = 0;
  const answered = Buffer.concat([answer(1, 90), answer(2, 30), answer(3, 8), answer(4, 17)]);
  for (let at = 0; at < answered.length; at += size) {
    if (protocol.answers(answered.subarray(at, at + size))) cuts += 1;
  }
  // Two answers in one chunk are one cut.
  expect(cuts).toBe(size === 1_000 ? 1 : 2);
});

test('answers to pushes are told from those to queries on the same connection', () => {
  const protocol = new PushAnswers();
  protocol.observe(Buffer.from('GET /loki/api/v1/query_range?query=x HTTP/1.1\r\n\r\n'));
  expect(protocol.answers()).toBe(false);
  protocol.observe(Buffer.from('POST /loki/api/v1/push HTTP/1.1\r\ncontent-length: 9\r\n\r\n'));
  protocol.observe(Buffer.from('{"a": 1}\n'));
  expect(protocol.answers()).toBe(true);
  expect(protocol.answers()).toBe(false);
});
