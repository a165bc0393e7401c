/** The collections of recorded answers that a run replays, and which of them it must pass. */
import fs from 'node:fs';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '../../..');
export const corpusDirectory: string =
  process.env['LOKI_CONFORMANCE'] ?? path.resolve(root, '../shared/conformance');
/** Cases from public bug reports stand beside the corpus, with a runner of their own. */
const reportsDirectory: string = process.env['LOKI_REPORTS'] ?? path.resolve(corpusDirectory, '../reports');

/** Failures of a collection that is not required are shown, and fail no run. */
export interface Collection {
  readonly directory: string;
  readonly isRequired: boolean;
}

/** Set to true once a collection passes as a whole, in every way and phase. */
const isRequired = { cases: true, 'cases-2': true, reports: true };

/** Existing directories of the corpus's runner. */
export const caseCollections: readonly Collection[] = existing([
  { directory: path.join(corpusDirectory, 'cases'), isRequired: isRequired.cases },
  { directory: path.join(corpusDirectory, 'cases-2'), isRequired: isRequired['cases-2'] },
]);

/** Undefined: the reports are not on this machine. */
export const reports: Collection | undefined = existing([
  { directory: reportsDirectory, isRequired: isRequired.reports },
])[0];

function existing(collections: readonly Collection[]): Collection[] {
  return collections.filter(({ directory }) => fs.existsSync(directory));
}

/** Ids of all cases of a directory of the corpus's runner. */
export function caseIds({ directory }: Collection): string[] {
  return fs
    .readdirSync(directory)
    .filter((file) => file.endsWith('.jsonl'))
    .flatMap((file) => fs.readFileSync(path.join(directory, file), 'utf8').split('\n'))
    .filter(Boolean)
    .map((line) => (JSON.parse(line) as { readonly id: string }).id);
}
