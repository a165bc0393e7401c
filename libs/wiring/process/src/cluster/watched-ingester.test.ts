/**
 * Protects queries while peers are stopped: they are asked last, and given up when they do not even say a
 * word.
 */
import { LokiError, parseTenantId } from '@loki/model';
import type { IngesterService, LeafRequest } from '@loki/ports';
import { NodeClock, NodeTimers } from '@loki/runtime';
import { Suspects } from './suspects.ts';
import { WatchedIngester } from './watched-ingester.ts';

const leaf: LeafRequest = {
  kind: 'log',
  tenant: parseTenantId('t'),
  expr: '{a="b"}',
  startNs: 0n,
  endNs: 1n,
  direction: 'forward',
  limit: 1,
};
const address = '10.0.0.1:9095';

function watched(ingester: Partial<IngesterService>) {
  const suspects = new Suspects(new NodeClock());
  const timers = new NodeTimers();
  return {
    suspects,
    watched: new WatchedIngester({ ingester: ingester as IngesterService, address, suspects, timers }),
  };
}

/** Answers when told to stop, as calls over gRPC do. */
function untilAborted(_: number, __: LeafRequest, signal?: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal!.addEventListener('abort', () => reject(signal!.reason as Error), { once: true });
  });
}

test('a peer that does not say a word is given up, and suspected', async () => {
  const { watched: peer, suspects } = watched({
    queryHead: untilAborted,
    partitions: () => Promise.reject(new LokiError('unavailable', 'deadline')),
  });
  await expect(peer.queryHead(0, leaf)).rejects.toMatchObject({
    code: 'unavailable',
    message: `${address} does not answer`,
  });
  expect(suspects.has(address)).toBe(true);
});

test('a peer that takes long, but lives, is waited for', async () => {
  let asked = 0;
  const answer = { committedOffset: 1, result: {} as never };
  const { watched: peer, suspects } = watched({
    queryHead: () => new NodeTimers().sleep(4_500).then(() => answer),
    partitions: async () => {
      asked++;
      return [];
    },
  });
  suspects.add(address);
  expect(await peer.queryHead(0, leaf)).toBe(answer);
  expect(asked).toBe(2);
  expect(suspects.has(address)).toBe(false);
});

test('the caller’s own reason is passed on, and nobody is suspected for it', async () => {
  const { watched: peer, suspects } = watched({ queryHead: untilAborted });
  const stop = new AbortController();
  const answer = peer.queryHead(0, leaf, stop.signal);
  const reason = new LokiError('timeout', 'too long');
  stop.abort(reason);
  await expect(answer).rejects.toBe(reason);
  expect(suspects.has(address)).toBe(false);
});
