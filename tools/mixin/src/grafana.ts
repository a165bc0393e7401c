/** The parts of Grafana's dashboard model that our dashboards use. */

export type Unit = 'short' | 's' | 'bytes' | 'binBps' | 'reqps' | 'ops' | 'percentunit' | 'dateTimeFromNow';

/** One curve: its expression, and its name in the legend. */
export interface Target {
  readonly expr: string;
  readonly legend: string;
}

export interface Panel {
  readonly type: 'timeseries' | 'stat' | 'logs';
  readonly title: string;
  readonly description?: string;
  readonly unit: Unit;
  readonly targets: readonly Target[];
  readonly isStacked?: boolean;
  /** Width in 24 columns. Default: the row is divided evenly. */
  readonly width?: number;
  readonly height?: number;
}

export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

/** A drop-down above the dashboard. */
export interface Variable {
  readonly name: string;
  readonly label: string;
  /** `query`: values of a label, with the metric or selector that has it. */
  readonly kind: 'datasource' | 'query' | 'textbox';
  readonly query: string;
  /** Variable that names the data source asked; for `query`. */
  readonly datasource?: string;
  /** A pattern that stands for all values; absent: one value is chosen. */
  readonly allValue?: string;
  /** Data source that is chosen at first; absent: Grafana's first of the type. */
  readonly first?: { readonly text: string; readonly value: string };
}

export interface Dashboard {
  /** Never changes: links and provisioning identify the dashboard by it. */
  readonly uid: string;
  readonly title: string;
  readonly tags: readonly string[];
  readonly description: string;
  readonly refresh: string;
  readonly timeFrom: string;
  readonly variables: readonly Variable[];
  /** Type of the panels' data source, and the variable that names it. */
  readonly datasource: { readonly type: 'prometheus' | 'loki'; readonly variable: string };
  readonly rows: readonly Row[];
}

const columns = 24;
const defaultHeight = 8;

/** The dashboard as Grafana imports it. */
export function dashboardJson(dashboard: Dashboard): Record<string, unknown> {
  const { uid, title, tags, description, refresh, timeFrom, variables, datasource, rows } = dashboard;
  return {
    uid,
    title,
    tags,
    description,
    schemaVersion: 39,
    editable: true,
    graphTooltip: 1,
    refresh,
    time: { from: timeFrom, to: 'now' },
    timezone: '',
    templating: { list: variables.map((variable) => variableJson(variable, datasource.type)) },
    annotations: { list: [] },
    links: [],
    panels: panelsJson(rows, { type: datasource.type, uid: `\${${datasource.variable}}` }),
  };
}

interface Source {
  readonly type: string;
  readonly uid: string;
}

function panelsJson(rows: readonly Row[], source: Source): Record<string, unknown>[] {
  const panels: Record<string, unknown>[] = [];
  let y = 0;
  const nextId = () => panels.length + 1;
  for (const row of rows) {
    panels.push({
      id: nextId(),
      type: 'row',
      title: row.title,
      collapsed: false,
      panels: [],
      gridPos: { h: 1, w: columns, x: 0, y },
    });
    y += 1;
    let x = 0;
    let height = 0;
    for (const panel of row.panels) {
      const w = panel.width ?? Math.floor(columns / Math.min(row.panels.length, 4));
      const h = panel.height ?? defaultHeight;
      if (x + w > columns) [x, y, height] = [0, y + height, 0];
      panels.push({ id: nextId(), ...panelJson(panel, source), gridPos: { h, w, x, y } });
      x += w;
      height = Math.max(height, h);
    }
    y += height;
  }
  return panels;
}

function panelJson(panel: Panel, source: Source): Record<string, unknown> {
  const { type, title, description, unit, targets } = panel;
  return {
    type,
    title,
    ...(description === undefined ? {} : { description }),
    datasource: source,
    fieldConfig: type === 'logs' ? { defaults: {}, overrides: [] } : fieldConfig(panel, unit),
    options: optionsOf(type),
    targets: targets.map(({ expr, legend }, i) => ({
      refId: String.fromCharCode(65 + i),
      datasource: source,
      expr,
      legendFormat: legend,
      ...(type === 'stat' ? { instant: true } : {}),
    })),
  };
}

function fieldConfig({ type, isStacked }: Panel, unit: Unit): Record<string, unknown> {
  const custom =
    type === 'timeseries'
      ? {
          fillOpacity: isStacked ? 80 : 10,
          lineWidth: 1,
          showPoints: 'never',
          stacking: { mode: isStacked ? 'normal' : 'none' },
        }
      : {};
  return { defaults: { unit, min: 0, custom }, overrides: [] };
}

function optionsOf(type: Panel['type']): Record<string, unknown> {
  switch (type) {
    case 'timeseries':
      return {
        legend: { displayMode: 'list', placement: 'bottom', showLegend: true },
        tooltip: { mode: 'multi', sort: 'desc' },
      };
    case 'stat':
      return { reduceOptions: { calcs: ['lastNotNull'] }, colorMode: 'value', graphMode: 'area' };
    case 'logs':
      return { showTime: true, wrapLogMessage: true, enableLogDetails: true, sortOrder: 'Descending' };
  }
}

function variableJson(variable: Variable, type: 'prometheus' | 'loki'): Record<string, unknown> {
  const { name, label, kind, query, allValue } = variable;
  const shared = { name, label, hide: 0, skipUrlSync: false };
  switch (kind) {
    case 'datasource':
      return {
        ...shared,
        type: 'datasource',
        query,
        refresh: 1,
        regex: '',
        includeAll: false,
        multi: false,
        options: [],
        current: variable.first ?? {},
      };
    case 'textbox':
      return {
        ...shared,
        type: 'textbox',
        query,
        current: { text: query, value: query },
        options: [{ selected: true, text: query, value: query }],
      };
    case 'query': {
      const isMulti = allValue !== undefined;
      return {
        ...shared,
        type: 'query',
        datasource: { type, uid: `\${${variable.datasource ?? 'datasource'}}` },
        query: type === 'loki' ? { refId: 'values', ...labelQuery(query) } : query,
        definition: query,
        refresh: 2,
        regex: '',
        sort: 1,
        includeAll: isMulti,
        multi: isMulti,
        ...(isMulti ? { allValue, current: { text: ['All'], value: ['$__all'] } } : {}),
      };
    }
  }
}

/** Loki's data source wants `label_values(name)` in parts; type 1: values of a label. */
function labelQuery(query: string): { label: string; stream: string; type: number } {
  const label = /^label_values\((\w+)\)$/.exec(query)?.[1];
  if (label === undefined) throw new Error(`not a query for a label's values: ${query}`);
  return { label, stream: '', type: 1 };
}
