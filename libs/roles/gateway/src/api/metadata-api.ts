/** Routes about streams: labels, label values, series, index statistics and index shards. */
import { itemsPerSlice, sorted } from '@loki/engine';
import type { Work } from '@loki/engine';
import { goJsonString } from '@loki/go';
import { logExprsOf, parseExpr, parseMatchers, printSelector, selectionsMax } from '@loki/logql';
import type { Matcher } from '@loki/logql';
import { compareText, Labels, sortTexts } from '@loki/model';
import type { LabelPair, TenantId } from '@loki/model';
import { jsonTextResponse } from '@loki/ports';
import type {
  HttpRequest,
  HttpResponse,
  QuerierService,
  StreamGrouping,
  StreamVolume,
  Tenancy,
} from '@loki/ports';
import { pairJson, pairsJson } from '../answer/encode-result.ts';
import { bytesPerShardDefault } from '../frontend/leaf-runner.ts';
import { tenantLabel, withTenant } from '../frontend/multi-tenant.ts';
import type { QueryFrontend } from '../frontend/query-frontend.ts';
import { parseBinaryBytes } from '../limits/byte-text.ts';
import { checkLabelRange, checkQueryLength } from '../limits/check-query-limits.ts';
import { badRequest, isUncached, Params, parseTimeRange } from '../limits/params.ts';
import type { TimeRange } from '../limits/params.ts';
import {
  isHiddenLabel,
  streamsOfTenants,
  valuesByLabel,
  visitStreams,
  wholeDays,
} from './explore-streams.ts';
import type { TenantStreams } from './explore-streams.ts';
import { shardsJson, shardStreams } from './index-shards.ts';
import { reported } from './metadata-log.ts';
import type { MetadataLogDeps, MetadataNote } from './metadata-log.ts';

interface MetadataApiDeps extends MetadataLogDeps {
  readonly frontend: QueryFrontend;
  readonly querier: QuerierService;
  /** True: the system adds the tenant label, and its values are the tenants of the request. */
  readonly multiTenantQueriesEnabled: boolean;
}

/** A request for streams by labels and time; `kind` selects the limits and the cache. */
interface StreamsQuestion {
  readonly matchers: readonly Matcher[];
  readonly range: TimeRange;
  readonly kind: 'labels' | 'series' | 'stats';
  readonly group?: StreamGrouping;
}

/** Routes that read streams and no lines: labels, label values, series, statistics. */
export class MetadataApi {
  readonly #deps: MetadataApiDeps;

  constructor(deps: MetadataApiDeps) {
    this.#deps = deps;
  }

  /** `/loki/api/v1/labels` */
  labels(request: HttpRequest, tenancy: Tenancy): Promise<HttpResponse> {
    return reported(this.#deps, { type: 'labels', request, tenancy }, async (note) => {
      const answers = await this.#labelStreams(request, tenancy, note, { by: 'name' });
      const names = new Set<string>(tenancy.isMulti ? [tenantLabel] : []);
      await this.#visit(request, tenancy, answers, ({ labels }) => {
        for (const [name] of labels) if (!isHiddenLabel(name)) names.add(name);
      });
      note.entries = names.size;
      return this.#textList([...names], request, tenancy);
    });
  }

  /** `/loki/api/v1/label/:name/values` */
  async labelValues(request: HttpRequest, tenancy: Tenancy): Promise<HttpResponse> {
    const name = request.params.get('name') ?? '';
    if (this.#deps.multiTenantQueriesEnabled && name === tenantLabel) {
      return this.#textList(tenancy.ids, request, tenancy);
    }
    return reported(this.#deps, { type: 'labels', request, tenancy }, async (note) => {
      const grouping = { by: 'name' as const, names: [name], withValues: true };
      const answers = await this.#labelStreams(request, tenancy, note, grouping);
      const streams = answers.flatMap((each) => each.streams);
      const values = await this.#deps.frontend.complete(valuesByLabel(streams), request.signal, tenancy);
      const texts = [...(values.get(name) ?? [])];
      note.query = `${name} ${note.query}`.trim();
      note.entries = texts.length;
      return this.#textList(texts, request, tenancy);
    });
  }

  /** `/loki/api/v1/series`: all streams that any of the selectors matches. */
  series(request: HttpRequest, tenancy: Tenancy): Promise<HttpResponse> {
    return reported(this.#deps, { type: 'series', request, tenancy }, async (note) => {
      const params = Params.of(request);
      const texts = [...params.getAll('match'), ...params.getAll('match[]')];
      note.query = texts.join(':');
      const range = (note.range = this.#range(params, tenancy, request));
      const selectors = new Set(texts.filter((text) => text !== '{}'));
      if (selectors.size > selectionsMax) {
        throw badRequest(`too many selectors (${selectors.size} > ${selectionsMax})`);
      }
      const groups = [...selectors].map(parseMatchers);
      const series = new Set<string>();
      const pairTexts = new Map<LabelPair, string>();
      const textOf = (pair: LabelPair) => {
        let text = pairTexts.get(pair);
        if (text === undefined) pairTexts.set(pair, (text = pairJson(pair)));
        return text;
      };
      for (const matchers of groups.length > 0 ? groups : [[]]) {
        const selection = await this.#streams(tenancy, request, { matchers, range, kind: 'series' });
        await this.#visit(request, tenancy, selection, ({ labels }, tenant) => {
          const isHidden = labels.some(([name]) => isHiddenLabel(name));
          const visible = isHidden ? labels.filter(([name]) => !isHiddenLabel(name)) : labels;
          // Sorted labels have exactly one text, which identifies a series.
          series.add(pairsJson(tenancy.isMulti ? withTenant(visible, tenant) : visible, textOf));
        });
      }
      note.entries = series.size;
      return jsonTextResponse(`{"status":"success","data":[${[...series].join(',')}]}`);
    });
  }

  /** `/loki/api/v1/index/stats`: streams, entries and bytes of a selector, without an envelope. */
  indexStats(request: HttpRequest, tenancy: Tenancy): Promise<HttpResponse> {
    return reported(this.#deps, { type: 'stats', request, tenancy }, async (note) => {
      const params = Params.of(request);
      note.query = params.get('query');
      const range = (note.range = this.#range(params, tenancy, request));
      const matchers = parseMatchers(params.get('query'));
      let streamCount = 0;
      let bytes = 0;
      let entries = 0;
      for (const { streams } of await this.#streams(tenancy, request, { matchers, range, kind: 'stats' })) {
        streamCount += streams.length;
        for (const stream of streams) {
          bytes += stream.lineBytes;
          entries += stream.entries;
        }
      }
      note.entries = streamCount;
      return jsonTextResponse(
        `{"streams":${streamCount},"chunks":${streamCount},"bytes":${bytes},"entries":${entries}}`,
      );
    });
  }

  /** `/loki/api/v1/index/shards`: ranges of stream hashes with about equal bytes of a query. */
  indexShards(request: HttpRequest, tenancy: Tenancy): Promise<HttpResponse> {
    return reported(this.#deps, { type: 'shards', request, tenancy }, async (note) => {
      const params = Params.of(request);
      const text = (note.query = params.get('query'));
      const bytesTarget = this.#shardBytes(params, tenancy, request);
      const range = (note.range = this.#range(params, tenancy, request));
      const selectors = new Map(
        logExprsOf(parseExpr(text)).map(({ matchers }) => [printSelector(matchers), matchers]),
      );
      const streams = new Map<string, StreamVolume>();
      for (const matchers of selectors.values()) {
        const selection = await this.#streams(tenancy, request, { matchers, range, kind: 'stats' });
        await this.#visit(request, tenancy, selection, (stream, tenant) => {
          // Streams that two selectors of a query have in common are read once.
          streams.set(`${tenant}\0${Labels.fromPairs(stream.labels).toString()}`, stream);
        });
      }
      const shards = shardStreams([...streams.values()], bytesTarget);
      note.entries = shards.length;
      return jsonTextResponse(shardsJson(shards));
    });
  }

  /** `targetBytesPerShard`, with or without a unit; by default the tenant's limit for parts of queries. */
  #shardBytes(params: Params, tenancy: Tenancy, request: HttpRequest): number {
    const text = params.get('targetBytesPerShard');
    if (text === '') {
      return this.#deps.frontend.limitsFor(tenancy, request).tsdbMaxBytesPerShard || bytesPerShardDefault;
    }
    const bytes = parseBinaryBytes(text);
    if (bytes === undefined) {
      throw badRequest(
        `could not parse 'targetBytesPerShard' parameter: ${JSON.stringify(text)} is not a size`,
      );
    }
    if (bytes <= 0) throw badRequest('targetBytesPerShard must be a positive value');
    return bytes;
  }

  async #textList(texts: readonly string[], request: HttpRequest, tenancy: Tenancy): Promise<HttpResponse> {
    return jsonTextResponse(await this.#deps.frontend.complete(listJson(texts), request.signal, tenancy));
  }

  /** Visits streams in slices: there may be some hundred thousand. */
  #visit(
    request: HttpRequest,
    tenancy: Tenancy,
    answers: readonly TenantStreams[],
    visit: (stream: StreamVolume, tenant: TenantId) => void,
  ): Promise<void> {
    return this.#deps.frontend.complete(visitStreams(answers, visit), request.signal, tenancy);
  }

  #range(params: Params, tenancy: Tenancy, request: HttpRequest): TimeRange {
    const range = parseTimeRange(params, this.#deps.clock.nowNs());
    checkQueryLength(range, this.#deps.frontend.limitsFor(tenancy, request));
    return range;
  }

  /** Streams for labels and their values. The range is widened to whole days, as the index is by day. */
  #labelStreams(
    request: HttpRequest,
    tenancy: Tenancy,
    note: MetadataNote,
    group: StreamGrouping,
  ): Promise<TenantStreams[]> {
    const params = Params.of(request);
    const text = (note.query = params.get('query'));
    const range = (note.range = this.#range(params, tenancy, request));
    const matchers = text === '' ? [] : parseMatchers(text);
    checkLabelRange(range, this.#deps.frontend.limitsFor(tenancy, request));
    return this.#streams(tenancy, request, { matchers, range: wholeDays(range), kind: 'labels', group });
  }

  /**
   * A matcher on the tenant label matches the streams' own labels here: Loki selects tenants by it in queries
   * only.
   */
  #streams(
    tenancy: Tenancy,
    request: HttpRequest,
    { matchers, range, kind, group }: StreamsQuestion,
  ): Promise<TenantStreams[]> {
    const { frontend } = this.#deps;
    const limits = frontend.limitsFor(tenancy, request);
    const cache = frontend.cachePolicy(kind, limits, { noCache: isUncached(request) });
    return streamsOfTenants(
      this.#deps,
      tenancy,
      {
        matchers,
        ...range,
        ...(kind === 'series' ? {} : { purpose: kind }),
        ...(group ? { group } : {}),
        ...(cache ? { cache } : {}),
      },
      { limits, client: request.signal, isMetadata: kind !== 'stats' },
    );
  }
}

/** Texts of one native sort: 10 ms at most, a third of the time of a sort in slices. */
const textsOfOneSort = 32_768;

/** A sorted list as JSON. Loki omits an empty `data`. */
function* listJson(texts: readonly string[]): Work<string> {
  if (texts.length === 0) return '{"status":"success"}';
  const isShort = texts.length <= textsOfOneSort;
  const list = isShort ? sortTexts([...texts]) : yield* sorted(texts, compareText);
  let json = '';
  for (const [i, text] of list.entries()) {
    json += `${i === 0 ? '' : ','}${goJsonString(text)}`;
    if (i % itemsPerSlice === 0) yield;
  }
  return `{"status":"success","data":[${json}]}`;
}
