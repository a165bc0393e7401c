/** Protects: tenants take turns, a lost puller's job runs again, cancelled jobs leave the queue. */
import { FairQueue } from './fair-queue.ts';

function gate() {
  return Promise.withResolvers<void>();
}

describe('the fair queue', () => {
  test('a tenant with many jobs does not hold up another', async () => {
    const queue = new FairQueue({ outstandingMax: 100 });
    const order: string[] = [];
    const stop = new AbortController();
    const job = (name: string) => () => {
      order.push(name);
      return Promise.resolve();
    };
    const jobs = [1, 2, 3].map((n) => queue.submit('loud', job(`loud ${n}`)));
    jobs.push(queue.submit('quiet', job('quiet')));
    expect(queue.length).toBe(4);
    void queue.serve(stop.signal, undefined);
    await Promise.all(jobs);
    stop.abort();
    expect(order).toEqual(['loud 1', 'quiet', 'loud 2', 'loud 3']);
    expect(queue.length).toBe(0);
  });

  test('a full queue refuses, and other tenants are still served', async () => {
    const queue = new FairQueue({ outstandingMax: 1 });
    const blocked = queue.submit('a', () => Promise.resolve('first'));
    await expect(queue.submit('a', () => Promise.resolve('second'))).rejects.toThrow(
      'too many outstanding requests',
    );
    const other = queue.submit('b', () => Promise.resolve('other'));
    const stop = new AbortController();
    void queue.serve(stop.signal, undefined);
    expect(await blocked).toBe('first');
    expect(await other).toBe('other');
    stop.abort();
  });

  test('a job given up while waiting never runs', async () => {
    const queue = new FairQueue({ outstandingMax: 10 });
    const stop = new AbortController();
    const first = gate();
    void queue.serve(stop.signal, undefined);
    const running = queue.submit('a', () => first.promise);
    const giveUp = new AbortController();
    let ran = false;
    const waiting = queue.submit(
      'a',
      () => {
        ran = true;
        return Promise.resolve();
      },
      giveUp.signal,
    );
    giveUp.abort(new Error('gone'));
    await expect(waiting).rejects.toThrow('gone');
    first.resolve();
    await running;
    expect(ran).toBe(false);
    stop.abort();
  });

  test('a job that fails fails its caller, not the server', async () => {
    const queue = new FairQueue({ outstandingMax: 10 });
    const stop = new AbortController();
    void queue.serve(stop.signal, undefined);
    await expect(queue.submit('a', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await queue.submit('a', () => Promise.resolve(7))).toBe(7);
    stop.abort();
  });

  test('work of a lost puller goes to another one, once and before what came later', async () => {
    const queue = new FairQueue<string>({ outstandingMax: 10 });
    const lostPuller = new AbortController();
    const calls: string[] = [];
    const work = (name: string) => (puller: string) => {
      calls.push(`${name} ${puller}`);
      if (puller !== 'dies') return Promise.resolve(`by ${puller}`);
      lostPuller.abort();
      return Promise.reject(new Error('gone'));
    };
    const first = queue.submit('a', work('first'));
    const second = queue.submit('a', work('second'));
    await queue.serve(lostPuller.signal, 'dies');
    expect(queue.pullers).toBe(0);
    const stop = new AbortController();
    void queue.serve(stop.signal, 'lives');
    expect(await Promise.all([first, second])).toEqual(['by lives', 'by lives']);
    expect(calls).toEqual(['first dies', 'first lives', 'second lives']);
    stop.abort();
  });

  test('work that loses its second puller too fails', async () => {
    const queue = new FairQueue<AbortController>({ outstandingMax: 10 });
    const answer = queue.submit('a', (puller) => {
      puller.abort();
      return Promise.reject(new Error('gone again'));
    });
    answer.catch(() => undefined);
    for (const puller of [new AbortController(), new AbortController()]) {
      await queue.serve(puller.signal, puller);
    }
    await expect(answer).rejects.toThrow('gone again');
    expect(queue.length).toBe(0);
  });

  test('close rejects waiting and new jobs', async () => {
    const queue = new FairQueue({ outstandingMax: 10 });
    const waiting = queue.submit('a', () => Promise.resolve());
    queue.close();
    await expect(waiting).rejects.toThrow('the query frontend is stopping');
    await expect(queue.submit('a', () => Promise.resolve())).rejects.toThrow('stopping');
  });

  test('a tenant is served by so many pullers, always the same ones, and by others when they leave', async () => {
    const queue = new FairQueue<string>({ outstandingMax: 100, pullersFor: (_, all) => Math.min(2, all) });
    const ids = ['p', 'q', 'r', 's'];
    const stops = new Map(ids.map((id) => [id, new AbortController()]));
    for (const id of ids) for (let i = 0; i < 2; i++) void queue.serve(stops.get(id)!.signal, id, id);
    const servedBy = async (tenant: string) => {
      const jobs = Array.from({ length: 20 }, () => queue.submit(tenant, (id) => Promise.resolve(id)));
      return new Set(await Promise.all(jobs));
    };
    const tenants = Array.from({ length: 8 }, (_, i) => `tenant ${i}`);
    const before = await Promise.all(tenants.map(servedBy));
    for (const served of before) expect(served.size).toBe(2);
    expect(new Set(before.flatMap((served) => [...served])).size).toBe(4);
    expect(await Promise.all(tenants.map(servedBy))).toEqual(before);
    stops.get('q')!.abort();
    await new Promise((resolve) => setImmediate(resolve));
    const after = await Promise.all(tenants.map(servedBy));
    after.forEach((served, i) => {
      expect(served.size).toBe(2);
      expect(served.has('q')).toBe(false);
      // Queriers that stayed still serve.
      for (const id of before[i]) if (id !== 'q') expect(served.has(id)).toBe(true);
    });
    for (const stop of stops.values()) stop.abort();
  });

  test('work that waited for a puller that left is done by the one that takes its place', async () => {
    const queue = new FairQueue<string>({ outstandingMax: 100, pullersFor: () => 1 });
    const [p, q] = [new AbortController(), new AbortController()];
    const begun = Promise.withResolvers<void>();
    void queue.serve(p.signal, 'p', 'p');
    const first = queue.submit('tenant', async (id) => {
      await begun.promise;
      return id;
    });
    void queue.serve(q.signal, 'q', 'q');
    const waiting = ['a', 'b', 'c'].map((name) =>
      queue.submit('tenant', (id) => Promise.resolve(`${name} by ${id}`)),
    );
    begun.resolve();
    await first;
    const served = await Promise.all(waiting);
    expect(new Set(served.map((text) => text.slice(-1))).size).toBe(1);
    p.abort();
    q.abort();
  });
});

// Four queries of one tenant that take a minute each held all slots, and another tenant's small one waited
// for it.
test('a tenant leaves one slot in four to others', async () => {
  const queue = new FairQueue({ outstandingMax: 10 });
  const stop = new AbortController();
  for (let i = 0; i < 4; i++) void queue.serve(stop.signal, undefined);
  const ends: (() => void)[] = [];
  const long = () => new Promise<void>((resolve) => ends.push(resolve));
  const loud = Array.from({ length: 5 }, () => queue.submit('loud', long));
  await new Promise(setImmediate);
  expect(ends).toHaveLength(3);
  await queue.submit('quiet', async () => undefined);
  expect(ends).toHaveLength(3);
  while (ends.length > 0) {
    ends.shift()!();
    await new Promise(setImmediate);
  }
  await Promise.all(loud);
  stop.abort();
});
