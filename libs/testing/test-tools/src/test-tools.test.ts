/**
 * Protects tests from faults of their helpers: ports are free, waits end, certificates are trusted.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { certify } from './certificates.ts';
import { eventually } from './eventually.ts';
import { freePort, freePorts, isListening } from './free-ports.ts';
import { ManualTime } from './manual-time.ts';

test('ports are free, and no two are the same', async () => {
  const ports = await freePorts(20);
  expect(new Set(ports).size).toBe(20);
  for (const port of ports) expect(await isListening(port)).toBe(false);
});

test('isListening sees an open port', async () => {
  const port = await freePort();
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  expect(await isListening(port)).toBe(true);
  await new Promise((resolve) => server.close(resolve));
});

test('what comes in the end is given; false, undefined and failures are waited through', async () => {
  const answers = [undefined, false, () => expect(1).toBe(2), 'found'] as const;
  let asked = 0;
  const look = () => {
    const answer = answers[asked++];
    return typeof answer === 'function' ? answer() : answer;
  };
  expect(await eventually(look, { everyMs: 1 })).toBe('found');
  expect(asked).toBe(4);
});

test('what never comes is said, with what was told and the last failure', async () => {
  const waiting = eventually(() => Promise.reject(new Error('nobody home')), {
    withinMs: 20,
    everyMs: 1,
    details: () => 'its log',
  });
  await expect(waiting).rejects.toThrow(/^not within 20 ms: [^]*nobody home\nits log$/);
});

test('time that a test controls passes for timers, sleeps and the clock alike, in their order', async () => {
  const time = new ManualTime();
  const startMs = time.nowMs();
  const calls: string[] = [];
  time.after(20, () => calls.push(`b ${time.monotonicMs()}`));
  time.after(10, () => {
    calls.push(`a ${time.monotonicMs()}`);
    time.after(5, () => calls.push(`after a ${time.monotonicMs()}`));
  });
  time.after(10, () => calls.push('cancelled')).cancel();
  const stop = new AbortController();
  const stopped = time.sleep(10, stop.signal);
  stop.abort(new Error('stop'));
  await expect(stopped).rejects.toThrow('stop');
  time.pass(9);
  expect(calls).toEqual([]);
  time.pass(16);
  expect(calls).toEqual(['a 10', 'after a 15', 'b 20']);
  await time.passUntil(time.sleep(5));
  expect(time.monotonicMs()).toBe(30);
  expect(time.nowMs() - startMs).toBe(30);
});

test('a certificate is trusted by its authority alone', () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'certify-'));
  const verify = (authority: string): string =>
    execFileSync('openssl', ['verify', '-CAfile', `${authority}.crt`, 'server.crt'], {
      cwd: directory,
      encoding: 'utf8',
      stdio: 'pipe',
    });
  certify(directory, 'ca', ['server', 'client']);
  certify(directory, 'other', []);
  expect(verify('ca')).toContain('server.crt: OK');
  expect(() => verify('other')).toThrow();
  fs.rmSync(directory, { recursive: true });
});
