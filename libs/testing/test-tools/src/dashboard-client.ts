/** Opens a dashboard over lines as Grafana does: fills in variables, and queries for all panels. */

interface Variable {
  readonly name: string;
  readonly type: 'datasource' | 'query' | 'textbox';
  readonly query: string | { readonly label: string };
  readonly allValue?: string;
  readonly current?: { readonly value?: string };
}

interface Panel {
  readonly type: string;
  readonly title: string;
  readonly targets?: readonly { readonly expr: string; readonly instant?: boolean }[];
}

interface DashboardFile {
  readonly templating: { readonly list: readonly Variable[] };
  readonly panels: readonly Panel[];
}

/** A data source of Grafana's provisioning, of type `loki`. */
interface DataSource {
  readonly uid: string;
  readonly jsonData: { readonly httpHeaderName1: string; readonly maxLines: number };
  readonly secureJsonData: { readonly httpHeaderValue1: string };
}

interface DashboardOptions {
  /** Of the gateway; the provisioned address is that of another network. */
  readonly url: string;
  readonly source: DataSource;
  readonly startMs: number;
  readonly endMs: number;
}

/** The content of one panel. */
interface DrawnPanel {
  readonly title: string;
  readonly type: string;
  readonly lines: readonly string[];
  /** Sums of each curve, by its labels as JSON. */
  readonly curves: ReadonlyMap<string, number>;
}

type Choice = Readonly<Record<string, readonly string[]>>;

interface Answer {
  readonly data: {
    readonly resultType: string;
    readonly result: readonly {
      readonly stream?: Record<string, string>;
      readonly metric?: Record<string, string>;
      readonly value?: readonly [number, string];
      readonly values?: readonly (readonly [unknown, string])[];
    }[];
  };
}

/** Points of a panel as wide as a screen. */
const dataPoints = 240;

/** Sends all queries of a dashboard's panels, as a browser with Grafana would. */
export class DashboardClient {
  readonly #options: DashboardOptions;

  constructor(options: DashboardOptions) {
    this.#options = options;
  }

  /** The button *Save & test*: the value of the only sample, `2` for a working data source. */
  async health(): Promise<string | undefined> {
    const params = { query: 'vector(1)+vector(1)', direction: 'backward', time: '4000000000' };
    const { data } = await this.#get<Answer>('query', params);
    return data.result.length === 1 ? data.result[0].value?.[1] : undefined;
  }

  /** Values of each drop-down. */
  async values(dashboard: DashboardFile): Promise<Map<string, string[]>> {
    const values = new Map<string, string[]>();
    for (const { name, type, query } of dashboard.templating.list) {
      if (type !== 'query' || typeof query === 'string') continue;
      const answer = await this.#get<{ data?: string[] }>(`label/${query.label}/values`, this.#range());
      values.set(name, answer.data ?? []);
    }
    return values;
  }

  /**
   * @param choice values by variable, or the text of a text box; All, and the dashboard's own text, where
   *   absent
   */
  async draw(dashboard: DashboardFile, choice: Choice = {}): Promise<DrawnPanel[]> {
    const panels: DrawnPanel[] = [];
    for (const { type, title, targets = [] } of dashboard.panels) {
      for (const { expr, instant } of targets) {
        const query = this.#filledIn(expr, dashboard, choice);
        const limit = String(this.#options.source.jsonData.maxLines);
        const answer = instant
          ? await this.#get<Answer>('query', { query, direction: 'backward', time: this.#range().end, limit })
          : await this.#get<Answer>('query_range', {
              query,
              direction: 'backward',
              ...this.#range(),
              step: `${this.#stepMs()}ms`,
              limit,
            });
        panels.push({ title, type, ...contentOf(answer) });
      }
    }
    return panels;
  }

  #filledIn(expr: string, { templating }: DashboardFile, choice: Choice): string {
    const { startMs, endMs } = this.#options;
    const own = new Map([
      ['__auto', `${this.#stepMs()}ms`],
      ['__interval', `${this.#stepMs() / 1000}s`],
      ['__rate_interval', `${(4 * this.#stepMs()) / 1000}s`],
      ['__range', `${(endMs - startMs) / 1000}s`],
    ]);
    return expr.replaceAll(/\$(?:\{(\w+)\}|(\w+))/g, (_, braced?: string, bare?: string) => {
      const name = braced ?? bare!;
      const variable = templating.list.find((each) => each.name === name);
      const value = own.get(name) ?? (variable && valueOf(variable, choice[name]));
      if (value === undefined) throw new Error(`no value for $${name} in ${expr}`);
      return value;
    });
  }

  #stepMs(): number {
    const { startMs, endMs } = this.#options;
    return Math.ceil((endMs - startMs) / dataPoints);
  }

  #range(): { start: string; end: string } {
    const { startMs, endMs } = this.#options;
    return { start: `${startMs}000000`, end: `${endMs}000000` };
  }

  async #get<T>(route: string, params: Record<string, string>): Promise<T> {
    const { url, source } = this.#options;
    const headers = {
      [source.jsonData.httpHeaderName1]: source.secureJsonData.httpHeaderValue1,
      'User-Agent': 'Grafana/12.1.0',
    };
    const response = await fetch(`${url}/loki/api/v1/${route}?${new URLSearchParams(params).toString()}`, {
      headers,
    });
    const text = await response.text();
    if (response.status !== 200) throw new Error(`${response.status} ${text}`);
    return JSON.parse(text) as T;
  }
}

/**
 * Values of a list are escaped and joined; the pattern of All, and the text of a box, are used as they are.
 */
function valueOf(
  { type, allValue, current }: Variable,
  values: readonly string[] | undefined,
): string | undefined {
  if (type === 'textbox') return values?.[0] ?? current?.value ?? '';
  if (!values) return allValue;
  return values.map((value) => value.replaceAll(/[\\$^*{}[\]+?.()|]/g, String.raw`\\$&`)).join('|');
}

function contentOf({ data }: Answer): { lines: string[]; curves: Map<string, number> } {
  const lines: string[] = [];
  const curves = new Map<string, number>();
  for (const { metric, values = [] } of data.result) {
    if (metric) {
      const sum = values.reduce((before, [, value]) => before + Number(value), 0);
      curves.set(JSON.stringify(metric), sum);
    } else {
      lines.push(...values.map(([, line]) => line));
    }
  }
  return { lines, curves };
}
