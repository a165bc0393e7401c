/** The name and version of this program, for clients and operators. */
import type { Metrics } from './metrics.ts';

/** The name of this program; `version` is a Loki version, because clients switch features by it. */
export interface BuildInfo {
  readonly version: string;
  readonly revision: string;
  /** The release of this program, e.g. `v0.1.0`: clients refuse no field that Loki has. */
  readonly branch: string;
  readonly buildUser: string;
  readonly buildDate: string;
  readonly goVersion: string;
}

/** The Loki version whose behaviour this program has. */
const lokiVersion = '3.6.0';
/** As in package.json: a release is refused otherwise. */
const productVersion = '0.1.0';

/**
 * The name and version that this program shows to clients and operators.
 *
 * @param revision commit the program was built from; '' when unknown
 * @param runtime the text in the field of Loki's Go version, e.g. `node24.1.0`
 */
export function buildInfo(runtime: string, revision = ''): BuildInfo {
  return {
    version: lokiVersion,
    revision,
    branch: `v${productVersion}`,
    buildUser: '',
    buildDate: '',
    goVersion: runtime,
  };
}

/** The output of `-version` in Loki's form: version, branch, revision and runtime. */
export function versionText(info: BuildInfo): string {
  return `loki, version ${info.version} (branch: ${info.branch}, revision: ${info.revision || 'unknown'})\n  runtime: ${info.goVersion}`;
}

/** `loki_build_info`, constantly 1. */
export function buildInfoMetric(
  metrics: Metrics,
  info: BuildInfo,
  platform: { os: string; arch: string },
): void {
  metrics
    .gauge('loki_build_info', 'Constant 1, with the version of this program in its labels.', [
      'branch',
      'goarch',
      'goos',
      'goversion',
      'revision',
      'tags',
      'version',
    ])
    .set(
      {
        branch: info.branch,
        goarch: platform.arch,
        goos: platform.os,
        goversion: info.goVersion,
        revision: info.revision,
        tags: '',
        version: info.version,
      },
      1,
    );
}
