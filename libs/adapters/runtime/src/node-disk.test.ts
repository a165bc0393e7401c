import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NodeDisk } from './node-disk.ts';
import { NodeRandom } from './node-random.ts';
import { NodeClock, NodeTimers } from './time.ts';

let root: string;
beforeEach(() => (root = mkdtempSync(join(tmpdir(), 'loki-disk-'))));
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe('disk', () => {
  test('appends go to the end, in order, whoever opened the file; reads are positional', async () => {
    const disk = new NodeDisk(join(root, 'made/when/missing'));
    await disk.makeDirectory('a/b');
    const file = await disk.open('a/b/f', { create: true });
    await Promise.all(['one ', 'two ', 'three'].map((text) => file.append(Buffer.from(text))));
    await file.sync();
    await file.close();
    const again = await disk.open('a/b/f');
    await again.append(Buffer.from('!'));
    expect((await again.read(4, 100)).toString()).toBe('two three!');
    expect((await again.read(4, 3)).toString()).toBe('two');
    expect((await again.read(400, 3)).length).toBe(0);
    await again.truncate(3);
    await again.append(Buffer.from('?'));
    expect(await again.size()).toBe(4);
    expect((await again.read(0, 9)).toString()).toBe('one?');
    await again.close();
  });

  test.each(['../x', '/etc/passwd', 'a/../../x', './x', 'a//b', 'a/.', 'a\0b', 'a/'])(
    'no path leaves the root: %j',
    async (path) => {
      writeFileSync(join(root, 'x'), 'outside');
      const disk = new NodeDisk(join(root, 'inside'));
      await disk.makeDirectory('');
      await expect(disk.open(path, { create: true })).rejects.toThrow('not a path');
      await expect(disk.list(path)).rejects.toThrow('not a path');
      await expect(disk.remove(path)).rejects.toThrow('not a path');
      await expect(disk.rename('a', path)).rejects.toThrow('not a path');
      await expect(disk.link(path, 'a')).rejects.toThrow('not a path');
    },
  );

  test('link creates only what is absent; rename replaces; removing what is not there is fine', async () => {
    const disk = new NodeDisk(root);
    for (const name of ['a', 'b']) {
      const file = await disk.open(name, { create: true });
      await file.append(Buffer.from(name));
      await file.close();
    }
    await disk.link('a', 'c');
    await expect(disk.link('b', 'c')).rejects.toMatchObject({ code: 'EEXIST' });
    await disk.rename('b', 'a');
    await disk.syncDirectory('');
    await disk.remove('nothing');
    await disk.remove('c');
    expect(await disk.list('')).toEqual(['a']);
    expect(await disk.list('nowhere')).toEqual([]);
    expect(await disk.list('a')).toEqual([]);
    await expect(disk.open('nothing')).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(disk.remove('')).rejects.toThrow('root');
  });
});

describe('time and randomness', () => {
  test('a sleep ends early when its signal aborts, and leaves no listener behind', async () => {
    const timers = new NodeTimers();
    const abort = new AbortController();
    await timers.sleep(1, abort.signal);
    const long = timers.sleep(60_000, abort.signal);
    abort.abort(new Error('stop'));
    await expect(long).rejects.toThrow('stop');
    await expect(timers.sleep(1, abort.signal)).rejects.toThrow('stop');
  });

  test('a delay longer than a timer can hold is not cut short', async () => {
    const timers = new NodeTimers();
    let isFired = false;
    const timer = timers.after(2 ** 40, () => (isFired = true));
    await timers.sleep(20);
    expect(isFired).toBe(false);
    timer.cancel();
  });

  test('the clock counts nanoseconds since 1970 and never goes back', () => {
    const clock = new NodeClock();
    expect(clock.nowNs() / 1_000_000n - BigInt(clock.nowMs())).toBeLessThan(1000n);
    const before = clock.monotonicMs();
    expect(clock.monotonicMs()).toBeGreaterThanOrEqual(before);
  });

  test('random numbers fill their ranges and do not repeat', () => {
    const random = new NodeRandom();
    const floats = Array.from({ length: 5000 }, () => random.float());
    expect(Math.min(...floats)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...floats)).toBeLessThan(1);
    const mean = floats.reduce((a, b) => a + b) / floats.length;
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.05);
    expect(new Set(floats).size).toBe(5000);
    expect(new Set(Array.from({ length: 5000 }, () => random.uint32() >>> 28)).size).toBe(16);
    expect(random.bytes(16)).toHaveLength(16);
  });
});
