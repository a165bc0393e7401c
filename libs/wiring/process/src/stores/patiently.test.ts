/**
 * Protects a start beside services that are away: it waits, says for what, and takes credentials as S3
 * clients do.
 */
import { LokiError } from '@loki/model';
import type { Logger } from '@loki/ports';
import { VirtualProcess, VirtualScheduler } from '@loki/virtual';
import { withCredentials } from './object-store.ts';
import { patiently } from './patiently.ts';

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

function waiting(failures: readonly LokiError[]) {
  const scheduler = new VirtualScheduler(1);
  const { timers, random } = new VirtualProcess(scheduler, 'process');
  const said: (string | undefined)[] = [];
  const left = [...failures];
  const attempt = async () => {
    const error = left.shift();
    if (error) throw error;
    return 'there';
  };
  const patience = {
    timers,
    random,
    logger: silent,
    onMissing: (text: string | undefined) => void said.push(text),
  };
  return { scheduler, said, result: scheduler.settle(patiently('the store', attempt, patience)) };
}

test('a service that is away for long is waited for, with pauses that end at 30 s', async () => {
  const away = Array.from({ length: 20 }, (_, i) => new LokiError('unavailable', `no ${i}`));
  const { scheduler, said, result } = waiting(away);
  await expect(result).resolves.toBe('there');
  expect(said).toEqual([...away.map(({ message }) => `the store: ${message}`), undefined]);
  expect(scheduler.nowMs).toBeGreaterThan(14 * 15_000);
  expect(scheduler.nowMs).toBeLessThan(20 * 30_000);
});

test('an error that time does not mend ends the start', async () => {
  await expect(waiting([new LokiError('internal', 'never')]).result).rejects.toThrow('never');
});

const bare = { accessKeyId: '', secretAccessKey: '', sessionToken: '' };
const key = { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'secret' };

test.each([
  ['nothing', bare, {}, { ...bare, hasRole: false }],
  ['a key', bare, key, { accessKeyId: 'id', secretAccessKey: 'secret', sessionToken: '', hasRole: false }],
  [
    'a session',
    bare,
    { ...key, AWS_SESSION_TOKEN: 't' },
    { accessKeyId: 'id', secretAccessKey: 'secret', sessionToken: 't', hasRole: false },
  ],
  ['half a key', bare, { AWS_ACCESS_KEY_ID: 'id' }, { ...bare, hasRole: false }],
  ['a web identity', bare, { AWS_WEB_IDENTITY_TOKEN_FILE: '/token' }, { ...bare, hasRole: true }],
  [
    'a role of a container',
    bare,
    { AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://x' },
    { ...bare, hasRole: true },
  ],
  [
    'a key, but the configuration has one',
    { ...bare, accessKeyId: 'mine' },
    key,
    { ...bare, accessKeyId: 'mine', hasRole: false },
  ],
])('the environment has %s', (_, storage, env, expected) => {
  expect(withCredentials(storage, env)).toEqual(expected);
});
