/**
 * Protects a start beside services that are away: it waits, and names the service.
 */
import { LokiError } from '@loki/model';
import type { Logger } from '@loki/ports';
import { VirtualProcess, VirtualScheduler } from '@loki/virtual';
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
