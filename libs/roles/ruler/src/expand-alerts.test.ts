/** Protects: alerts carry the texts of their rule's templates, within bounds of time and size. */
import { InlineWorkers } from '@loki/runtime';
import { expandAlertsTask, raiseAlerts } from './expand-alerts.ts';
import { sample } from './test/world.ts';

// A rule's templates are its tenant's program: it must not hold the thread that all tenants share.

const hostile = '{{ range 90000 }}{{ $x := printf "%1000000s" "x" | toUpper }}{{ end }}';
const env = { objectStore: undefined as never, cache: new Map<string, unknown>(), cacheBytesMax: 0 };

function inputOf(annotation: string, series: number) {
  return {
    rule: { name: 'A', labels: [], annotations: [['text', annotation]] as [string, string][] },
    samples: Array.from({ length: series }, (_, i) => sample(i, { pod: `pod-${i}` })),
    externalLabels: [],
    externalUrl: '',
    nowMs: 0,
  };
}

test('templates go to a worker, plain texts need none', async () => {
  const workers = new InlineWorkers(env, { isCloning: true });
  const ran: string[] = [];
  const run: InlineWorkers['run'] = (task, input, options) => {
    ran.push(task.name);
    return workers.run(task, input, options);
  };
  const watched = Object.assign(Object.create(workers) as InlineWorkers, { run });
  const { signal } = new AbortController();
  await expect(raiseAlerts(inputOf('plain', 1), watched, signal)).resolves.toMatchObject([
    {
      labels: [
        ['alertname', 'A'],
        ['pod', 'pod-0'],
      ],
      annotations: [['text', 'plain']],
    },
  ]);
  expect(ran).toEqual([]);
  await expect(raiseAlerts(inputOf('{{ $labels.pod }}', 2), watched, signal)).resolves.toMatchObject([
    { annotations: [['text', 'pod-0']] },
    { annotations: [['text', 'pod-1']] },
  ]);
  expect(ran).toEqual(['ruler.expand']);
});

test('one that never ends is told in the place of its text', async () => {
  const [alert] = await expandAlertsTask.run(inputOf(hostile, 1), env);
  expect(alert.annotations[0][1]).toMatch(
    /^<error expanding template: .*exceeded maximum number of characters/,
  );
});

test('all templates of one evaluation together have two seconds', async () => {
  let nowMs = 0;
  const clock = { nowMs: () => nowMs, nowNs: () => 0n, monotonicMs: () => (nowMs += 100) };
  const run = async () => expandAlertsTask.run(inputOf('{{ $value }}', 100), { ...env, clock });
  await expect(run()).rejects.toMatchObject({
    code: 'badRequest',
    message: "expanding the templates of the rule's labels and annotations took longer than 2s",
  });
});

test('an evaluation that was given up ends within its template', async () => {
  const check = () => {
    throw new Error('nobody waits');
  };
  await expect(async () => expandAlertsTask.run(inputOf(hostile, 1), env, check)).rejects.toThrow(
    'nobody waits',
  );
});

test('the texts of one rule are bounded together', async () => {
  const run = async () => expandAlertsTask.run(inputOf('{{ printf "%1000000s" "x" }}', 20), env);
  await expect(run()).rejects.toThrow('made more than 16777216 characters');
});
