/**
 * Protects queries over many partitions: one call for all, and each answered, refused or given up by itself.
 */
import fc from 'fast-check';
import { LokiError } from '@loki/model';
import type { IngesterService, LeafRequest } from '@loki/ports';
import type { HeadsPart } from '@loki/proto';
import { HeadsCaller, headsParts } from './heads-call.ts';
import type { HeadsTransport } from './heads-call.ts';
import { IngesterClient, serveIngester } from './ingester-rpc.ts';
import { logLeaf, logResult, tenant, TestIngester, TestWorld } from './test/rpc.ts';

interface Question {
  readonly name: string;
}

/** A peer that answers with bytes of its own choice. */
class Peer implements HeadsTransport<Question> {
  calls: string[] = [];
  isOld = false;
  answerOf: (partition: number) => Promise<Uint8Array> = async (partition) => Buffer.from(`p${partition}`);

  single(partition: number, { name }: Question): Promise<Uint8Array> {
    this.calls.push(`${name} ${partition}`);
    return this.answerOf(partition);
  }

  async *several(
    partitions: readonly number[],
    { name }: Question,
    signal: AbortSignal,
  ): AsyncGenerator<HeadsPart> {
    this.calls.push(`${name} ${partitions.join()}`);
    if (this.isOld) throw new LokiError('methodNotAllowed', 'no such method');
    for await (const part of headsParts(partitions, async (partition) => [await this.answerOf(partition)])) {
      if (signal.aborted) throw signal.reason;
      yield part;
    }
  }
}

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

test('questions of one turn with one request are one call; other requests and turns are others', async () => {
  const peer = new Peer();
  const caller = new HeadsCaller(peer);
  const [a, b] = [{ name: 'a' }, { name: 'b' }];
  const answers = await Promise.all([
    ...[3, 1, 2].map((partition) => caller.ask(partition, a, undefined)),
    caller.ask(7, b, undefined),
  ]);
  expect(answers.map(text)).toEqual(['p3', 'p1', 'p2', 'p7']);
  await caller.ask(4, a, undefined);
  expect(peer.calls).toEqual(['a 3,1,2', 'b 7', 'a 4']);
});

test('each partition’s answer, however large, or failure, is its own', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.record({ partition: fc.nat(50), size: fc.nat(3_000_000), fails: fc.boolean() }), {
        selector: ({ partition }) => partition,
        minLength: 2,
        maxLength: 8,
      }),
      async (plan) => {
        const peer = new Peer();
        const by = new Map(plan.map((each) => [each.partition, each]));
        peer.answerOf = async (partition) => {
          const { size, fails } = by.get(partition)!;
          if (fails) throw new LokiError('unavailable', `partition ${partition} is still being read`);
          return Buffer.alloc(size, partition);
        };
        const caller = new HeadsCaller(peer);
        const question = { name: 'q' };
        const outcomes = await Promise.allSettled(
          plan.map(({ partition }) => caller.ask(partition, question, undefined)),
        );
        outcomes.forEach((outcome, i) => {
          const { partition, size, fails } = plan[i];
          if (outcome.status === 'rejected') {
            expect(outcome.reason).toMatchObject({
              code: 'unavailable',
              message: `partition ${partition} is still being read`,
            });
          } else expect(Buffer.alloc(size, partition).equals(Buffer.from(outcome.value))).toBe(true);
          expect(outcome.status).toBe(fails ? 'rejected' : 'fulfilled');
        });
        expect(peer.calls).toHaveLength(1);
      },
    ),
    { numRuns: 30 },
  );
});

test('who gives up one partition gets the others; the call ends when nobody waits', async () => {
  const peer = new Peer();
  const gates = [0, 1].map(() => Promise.withResolvers<Uint8Array>());
  peer.answerOf = (partition) => gates[partition].promise;
  const caller = new HeadsCaller(peer);
  const question = { name: 'q' };
  const stop = new AbortController();
  const lost = caller.ask(0, question, stop.signal);
  const kept = caller.ask(1, question, undefined);
  await Promise.resolve();
  stop.abort(new LokiError('clientGone', 'gone'));
  await expect(lost).rejects.toMatchObject({ code: 'clientGone' });
  gates[1].resolve(Buffer.from('kept'));
  expect(text(await kept)).toBe('kept');
});

test('a peer that ends early fails what is not answered; one of an older version is asked one by one', async () => {
  const peer = new Peer();
  const question = { name: 'q' };
  peer.several = async function* () {
    yield { partition: 1, data: Buffer.from('p1'), isLast: true, error: undefined };
  };
  const early = await Promise.allSettled(
    [1, 2].map((each) => new HeadsCaller(peer).ask(each, question, undefined)),
  );
  expect(early.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled']); // two callers, a call each
  const caller = new HeadsCaller(peer);
  const outcomes = await Promise.allSettled([1, 2].map((each) => caller.ask(each, question, undefined)));
  expect(outcomes[0]).toMatchObject({ status: 'fulfilled' });
  expect(outcomes[1]).toMatchObject({ reason: { code: 'unavailable' } });

  const old = new Peer();
  old.isOld = true;
  const other = new HeadsCaller(old);
  for (let round = 0; round < 2; round++) {
    const answers = await Promise.all([1, 2].map((each) => other.ask(each, question, undefined)));
    expect(answers.map(text)).toEqual(['p1', 'p2']);
  }
  expect(old.calls).toEqual(['q 1,2', 'q 1', 'q 2', 'q 1', 'q 2']);
});

test('over gRPC: leaves and streams of many partitions, with a refusal in its own words', async () => {
  const world = new TestWorld();
  try {
    const calls: number[] = [];
    const inner = new TestIngester();
    const ingester = Object.assign(Object.create(inner) as TestIngester, {
      queryHead: async (partition: number, request: LeafRequest) => {
        calls.push(partition);
        if (partition === 2) throw new LokiError('unavailable', 'partition 2 is not owned');
        expect(request).toEqual(logLeaf);
        return { committedOffset: partition * 10, result: logResult(partition) };
      },
      headStreams: async (partition: number) => ({ committedOffset: partition, result: [] }),
    } satisfies Partial<IngesterService>);
    const client = new IngesterClient(
      world.channel(await world.serve((server) => serveIngester(server, ingester))),
    );
    const outcomes = await Promise.allSettled([0, 1, 2, 3].map((each) => client.queryHead(each, logLeaf)));
    expect(
      outcomes.map((each) => (each.status === 'fulfilled' ? each.value : (each.reason as LokiError).message)),
    ).toEqual([
      { committedOffset: 0, result: logResult(0) },
      { committedOffset: 10, result: logResult(1) },
      'partition 2 is not owned',
      { committedOffset: 30, result: logResult(3) },
    ]);
    expect(calls.sort((a, b) => a - b)).toEqual([0, 1, 2, 3]);
    const request = { tenant, selector: '', startNs: 0n, endNs: 1n };
    const streams = await Promise.all([5, 6].map((each) => client.headStreams(each, request)));
    expect(streams.map(({ committedOffset }) => committedOffset)).toEqual([5, 6]);
  } finally {
    await world.close();
  }
});
