/**
 * Protects: a line is refused or shown. One that is past its retention when it comes was answered 204, and
 * no query showed it.
 */
import type { Limits } from '@loki/config';
import { defaultLimits, storedEntries, testDistributor } from '../test/distributor.ts';

const nowMs = Date.UTC(2026, 0, 15, 12, 30);
const hourMs = 3_600_000;

const retention: Partial<Limits> = {
  rejectOldSamples: false,
  retentionPeriodMs: 7 * 24 * hourMs,
  retentionStreams: [
    { selector: '{app="short"}', priority: 1, periodMs: 24 * hourMs },
    { selector: '{app=~"short|long"}', priority: 1, periodMs: 30 * 24 * hourMs },
    { selector: '{app="short", env="audit"}', priority: 2, periodMs: 60 * 24 * hourMs },
    { selector: '{app="ever"}', priority: 3, periodMs: 0 },
  ],
};

function pushOf(limits: Partial<Limits>, removesExpired = true) {
  const merged = { ...defaultLimits, ...limits };
  const { push, log } = testDistributor({ nowMs, limits: () => merged, options: { removesExpired } });
  return {
    log,
    push: (labels: Record<string, string>, ageHours: number, headers: Record<string, string> = {}) =>
      push('t', {
        headers: new Map(Object.entries({ 'content-type': 'application/json', ...headers })),
        body: Buffer.from(
          JSON.stringify({
            streams: [{ stream: labels, values: [[`${nowMs - ageHours * hourMs}000000`, 'x']] }],
          }),
        ),
      }),
  };
}

test.each([
  [{ app: 'any' }, 167, 204],
  [{ app: 'any' }, 169, 400],
  [{ app: 'short' }, 23, 204],
  [{ app: 'short' }, 25, 400],
  [{ app: 'short', env: 'audit' }, 59 * 24, 204],
  [{ app: 'short', env: 'audit' }, 61 * 24, 400],
  [{ app: 'long' }, 29 * 24, 204],
  [{ app: 'long' }, 31 * 24, 400],
  [{ app: 'ever' }, 5000 * 24, 204],
] as [Record<string, string>, number, number][])('%j, %d hours old: %d', async (labels, ageHours, status) => {
  const { push, log } = pushOf(retention);
  const response = await push(labels, ageHours);
  expect(response.status).toBe(status);
  expect(storedEntries(log)).toHaveLength(status === 204 ? 1 : 0);
  if (status === 400) {
    expect(String(response.body)).toMatch(/^entry for stream '\{app=.*' has timestamp too old: /);
  }
});

test('the refusal names the oldest acceptable time, and is the nearer of both bounds', async () => {
  const text = async (limits: Partial<Limits>) => String((await pushOf(limits).push({ app: 'a' }, 400)).body);
  const kept = { retentionStreams: [], retentionPeriodMs: 48 * hourMs };
  expect(await text({ ...retention, ...kept })).toContain(
    'oldest acceptable timestamp is: 2026-01-13T12:30:00Z',
  );
  const rejecting = { ...kept, rejectOldSamples: true, rejectOldSamplesMaxAgeMs: 24 * hourMs };
  expect(await text(rejecting)).toContain('oldest acceptable timestamp is: 2026-01-14T12:30:00Z');
});

test('without retention everything is kept, and so everything is taken', async () => {
  const { push } = pushOf(retention, false);
  expect((await push({ app: 'short' }, 1000)).status).toBe(204);
  const forEver = pushOf({ rejectOldSamples: false, retentionPeriodMs: 0 });
  expect((await forEver.push({ app: 'a' }, 100_000)).status).toBe(204);
});
