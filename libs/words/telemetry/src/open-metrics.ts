/** Chooses the exposition of a scrape, Prometheus' text or OpenMetrics, and writes the latter. */

/** The content types of the expositions, exactly Loki's. */
const metricsContentType = 'text/plain; version=0.0.4; charset=utf-8; escaping=underscores';
const openMetricsType = (version: string) =>
  `application/openmetrics-text; version=${version}; charset=utf-8; escaping=underscores`;

interface Exposition {
  readonly contentType: string;
  readonly isOpenMetrics: boolean;
}

const text: Exposition = { contentType: metricsContentType, isOpenMetrics: false };

/**
 * The exposition that an `Accept` header prefers, by its `q` values; text for a header that names neither.
 */
export function expositionFor(accept: string): Exposition {
  const ranges = accept.split(',').map((range) => {
    const [type, ...params] = range.split(';').map((part) => part.trim().toLowerCase());
    const value = (name: string) =>
      params.find((each) => each.startsWith(`${name}=`))?.slice(name.length + 1);
    const q = Number(value('q') ?? 1);
    return { type, version: value('version') ?? '', q: Number.isNaN(q) ? 0 : q };
  });
  for (const { type, version, q } of ranges.toSorted((a, b) => b.q - a.q)) {
    if (q <= 0) continue;
    if (type === 'application/openmetrics-text' && ['', '0.0.1', '1.0.0'].includes(version)) {
      return { contentType: openMetricsType(version === '1.0.0' ? version : '0.0.1'), isOpenMetrics: true };
    }
    if (type === 'text/plain' && ['', '0.0.4', '1.0.0'].includes(version)) return text;
  }
  return text;
}

/**
 * Converts Prometheus' text format to OpenMetrics: a counter's family loses `_total` but its samples have it,
 * quotes in help texts are escaped, bounds are floats, and an end mark follows.
 */
export function openMetricsText(exposition: string): string {
  const out: string[] = [];
  let help = '';
  let isCounter = false;
  let isTotal = false;
  for (const line of exposition.split('\n')) {
    if (line === '') continue;
    if (line.startsWith('# HELP ')) {
      help = line;
    } else if (line.startsWith('# TYPE ')) {
      const [, , name, type] = line.split(' ');
      isCounter = type === 'counter';
      isTotal = name.endsWith(totalSuffix);
      const family = isCounter && isTotal ? name.slice(0, -totalSuffix.length) : name;
      const about = help.slice(`# HELP ${name} `.length).replaceAll('"', '\\"');
      out.push(`# HELP ${family} ${about}`, `# TYPE ${family} ${type === 'untyped' ? 'unknown' : type}`);
    } else {
      const sample = isCounter && !isTotal ? withTotal(line) : line;
      out.push(sample.replace(wholeBound, '$1.0"').replace(notANumber, ' NaN'));
    }
  }
  return `${out.join('\n')}\n# EOF\n`;
}

const totalSuffix = '_total';
const wholeBound = /([{,](?:le|quantile)="-?\d+)"/;
const notANumber = / Nan$/;

function withTotal(sample: string): string {
  const end = sample.search(/[{ ]/);
  return sample.slice(0, end) + totalSuffix + sample.slice(end);
}
