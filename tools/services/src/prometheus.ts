/** Finds real Prometheus and Alertmanager programs for tests. */
import fs from 'node:fs';
import path from 'node:path';

/**
 * Where the tests of rules find Prometheus and Alertmanager: Debian's packages or any other, in the path.
 * They start them by themselves, because they stop them too. Nothing when one is not there.
 *
 * @param say called with the name of a missing program
 */
export function prometheusVariables(say: (text: string) => void): Record<string, string> {
  const prometheus = find('prometheus');
  const promtool = find('promtool');
  const alertmanager = find('prometheus-alertmanager', 'alertmanager');
  if (prometheus && promtool && alertmanager) {
    return {
      LOKI_TEST_PROMETHEUS: prometheus,
      LOKI_TEST_PROMTOOL: promtool,
      LOKI_TEST_ALERTMANAGER: alertmanager,
    };
  }
  say(
    'skipped: Prometheus: there is no prometheus, promtool or alertmanager (Debian: apt-get install prometheus prometheus-alertmanager)',
  );
  return {};
}

function find(...names: readonly string[]): string | undefined {
  const directories = (process.env['PATH'] ?? '').split(':');
  return names
    .flatMap((name) => directories.map((directory) => path.join(directory, name)))
    .find((file) => fs.existsSync(file));
}
