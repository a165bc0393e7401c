/** Limits of the alerts that operators set by values of the chart, `monitoring.rules.thresholds`. */

interface Threshold {
  readonly alert: string;
  /** Numbers of `alerts.yaml` that have this limit, each with the text around it. */
  readonly places: readonly (readonly [before: string, number: string, after: string])[];
}

const thresholds: Readonly<Record<string, Threshold>> = {
  requestErrorPercent: { alert: 'LokiRequestErrors', places: [['> ', '10', '\n']] },
  requestSeconds: { alert: 'LokiRequestLatency', places: [['} > ', '1', '\n']] },
  compactionHours: {
    alert: 'LokiCompactorHasNotSuccessfullyRunCompaction',
    places: [
      ['> 60 * 60 * ', '3', '\n'],
      ['seconds[', '3', 'h]'],
      ['succeeded for ', '3', ' hours'],
    ],
  },
  writeLogRecords: { alert: 'LokiWriteLogLag', places: [['> ', '10000', '\n']] },
  flushFailures: { alert: 'LokiFlushFailing', places: [['> ', '5', '\n']] },
  objectStoreErrorRatio: { alert: 'LokiObjectStoreErrors', places: [['> ', '0.05', '\n']] },
  discardedLinesRatio: { alert: 'LokiDiscardedLines', places: [['> ', '0.05', '\n']] },
  queuedParts: { alert: 'LokiQueryQueueFull', places: [['> ', '1000', '\n']] },
  certificateDays: {
    alert: 'LokiCertificateExpiry',
    places: [
      ['< ', '7', ' * 24 * 3600'],
      ['within ', '7', ' days'],
    ],
  },
};

/**
 * The alerts as the chart carries them: `@name@` in the place of each limit.
 *
 * @throws Error when a place is not there, or twice: the alert was changed
 */
export function withPlaceholders(alerts: string): string {
  const blocks = alerts.split(/(?=^ {6}- alert: )/m);
  for (const [name, { alert, places }] of Object.entries(thresholds)) {
    const index = blocks.findIndex((block) => block.includes(`- alert: ${alert}\n`));
    for (const [before, number, after] of places) {
      const parts = blocks[index]?.split(`${before}${number}${after}`) ?? [];
      if (parts.length !== 2) throw new Error(`${alert} has ${before}${number} ${parts.length - 1} times`);
      blocks[index] = parts.join(`${before}@${name}@${after}`);
    }
  }
  return blocks.join('');
}
