/** Replays cases from public bug reports. */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Collection } from './collections.ts';

/**
 * Replays the cases from public bug reports against the server at `url`, in tenants of their own; prints
 * differences.
 *
 * @param isFlushed the lines are flushed before the queries
 * @returns false: an answer is wrong, or the runner could not judge
 */
export async function replayReports(
  { directory }: Collection,
  url: string,
  isFlushed: boolean,
): Promise<boolean> {
  const cases = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-reports-'));
  try {
    copyCases(path.join(directory, 'query'), cases);
    const options = ['--url', url, '--cases', cases, ...(isFlushed ? ['--flush'] : [])];
    const child = spawn(process.execPath, [path.join(directory, 'run.mjs'), ...options], {
      stdio: 'inherit',
    });
    return await new Promise((resolve) => child.once('exit', (code) => resolve(code === 0)));
  } finally {
    fs.rmSync(cases, { recursive: true });
  }
}

/** A request whose answer is the day on which it is asked: `date` takes a text for no time, and shows now. */
const todaysDate = '{{ date \\"2006-01-02\\" .from }}';

interface ReportCase {
  readonly requests: readonly { readonly request: unknown; readonly right: { readonly lines?: string[] } }[];
}

/** Copies the cases; an answer that is the day of the recording becomes the present day. */
function copyCases(from: string, to: string): void {
  for (const name of fs.readdirSync(from)) {
    let text = fs.readFileSync(path.join(from, name), 'utf8');
    if (text.includes(todaysDate)) {
      const content = JSON.parse(text) as ReportCase;
      const requests = content.requests.map(ofToday);
      text = JSON.stringify({ ...content, requests });
    }
    fs.writeFileSync(path.join(to, name), text);
  }
}

function ofToday<T extends ReportCase['requests'][number]>(each: T): T {
  const text = JSON.stringify(each);
  const recorded = each.right.lines?.[0];
  if (recorded === undefined || !text.includes(todaysDate)) return each;
  return JSON.parse(text.replaceAll(recorded, new Date().toISOString().slice(0, 10))) as T;
}
