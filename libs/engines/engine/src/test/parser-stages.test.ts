import fc from 'fast-check';
import { Labels } from '@loki/model';
import { expectCostGrowth } from '@loki/test-tools';
import { ByteText } from '../common/byte-text.ts';
import { BaseLabels, BaseStream } from '../pipeline/base-labels.ts';
import { compileJsonPath, jsonValueAt } from '../pipeline/json-path.ts';
import { JsonStage } from '../pipeline/json-stage.ts';
import { LogfmtStage } from '../pipeline/logfmt-stage.ts';
import { NeededLabels } from '../pipeline/needed-labels.ts';
import { Row } from '../pipeline/row.ts';
import { UnpackStage } from '../pipeline/unpack-stage.ts';

// Protects parsers of lines, which any client may write, against crashes, hangs and reads outside the
// line; and their answers against those of plain implementations.

const base = new BaseLabels(0, new BaseStream(Labels.empty), []);
const texts = new ByteText();

/** Runs a stage on a line that stands between others: what it reads outside would show. */
function parse(
  stage: { run(row: Row): boolean },
  line: Buffer,
): { labels: Record<string, string>; error: string } {
  const row = new Row();
  row.reset(base, 0n, 0);
  const framed = Buffer.concat([Buffer.from('"}],='), line, Buffer.from('"}],= x="y"')]);
  row.setLine(framed, 5, 5 + line.length);
  stage.run(row);
  const pairs = row.parsedNames.slice(0, row.parsedCount).map((name, i) => [name, row.parsedValues[i]]);
  return { labels: Object.fromEntries(pairs) as Record<string, string>, error: row.error };
}

/** Labels of an object, the plain way. */
function flatten(
  value: Record<string, unknown>,
  prefix: string,
  out: Record<string, string>,
): Record<string, string> {
  for (const [key, each] of Object.entries(value)) {
    const clean = key.trim().replace(/[^A-Za-z0-9_]/gu, '_');
    const name = prefix === '' ? clean.replace(/^(?=[0-9])/, '_') : `${prefix}_${clean}`;
    if (name === '' && !(typeof each === 'object')) continue;
    if (each === null || Array.isArray(each)) continue;
    if (typeof each === 'object') flatten(each as Record<string, unknown>, name, out);
    else if (!(name in out)) {
      out[name] = typeof each === 'string' ? each.toWellFormed() : JSON.stringify(each);
    }
  }
  return out;
}

const key = fc.stringMatching(/^[a-z0-9 .é"\\]{1,6}$/).filter((text) => text.trim() !== '');
const { tree } = fc.letrec<{ tree: Record<string, unknown> }>((tie) => ({
  tree: fc.dictionary(
    key,
    fc.oneof(
      { depthSize: 'small' },
      fc.string({ unit: 'binary' }),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.array(fc.oneof(fc.integer(), fc.string()), { maxLength: 3 }),
      tie('tree'),
    ),
    { maxKeys: 5, noNullPrototype: true },
  ),
}));

describe('json', () => {
  test('labels are those of the parsed object, flattened', () => {
    fc.assert(
      fc.property(tree, fc.constantFrom(undefined, 1, 2), (object, indent) => {
        // Keys that look like numbers come first in JavaScript's objects, whatever the text says.
        const line = Buffer.from(JSON.stringify(object, null, indent));
        const { labels, error } = parse(new JsonStage(NeededLabels.all, texts), line);
        expect(error).toBe('');
        expect(labels).toEqual(flatten(JSON.parse(line.toString()) as Record<string, unknown>, '', {}));
      }),
      { numRuns: 500 },
    );
  });

  test('a few needed labels are what all labels are, of these names', () => {
    fc.assert(
      fc.property(tree, fc.nat(), (object, pick) => {
        const line = Buffer.from(JSON.stringify(object));
        const all = parse(new JsonStage(NeededLabels.all, texts), line).labels;
        const names = Object.keys(all).filter((_, i) => i % 2 === pick % 2);
        const few = parse(new JsonStage(new NeededLabels(new Set([...names, 'never'])), texts), line).labels;
        expect(few).toEqual(Object.fromEntries(names.map((name) => [name, all[name]])));
      }),
      { numRuns: 300 },
    );
  });

  test('a path finds what walking the parsed object finds', () => {
    fc.assert(
      fc.property(tree, fc.array(fc.nat({ max: 4 }), { minLength: 1, maxLength: 3 }), (object, turns) => {
        const line = Buffer.from(JSON.stringify(object));
        const steps: string[] = [];
        let at: unknown = object;
        for (const turn of turns) {
          if (typeof at !== 'object' || at === null || Array.isArray(at)) break;
          const keys = Object.keys(at);
          if (keys.length === 0) break;
          steps.push(keys[turn % keys.length]);
          at = (at as Record<string, unknown>)[keys[turn % keys.length]];
        }
        const expected = at === null ? '' : typeof at === 'string' ? at.toWellFormed() : JSON.stringify(at);
        expect(jsonValueAt(line, 0, line.length, compileJsonPath(steps), texts)).toBe(expected);
      }),
      { numRuns: 300 },
    );
  });

  test('an object nested forty thousand deep is read in linear time', async () => {
    const prepare = (depth: number) => {
      const deep = Buffer.from(`${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`);
      return () => expect(parse(new JsonStage(NeededLabels.all, texts), deep).error).toBe('');
    };
    await expectCostGrowth(prepare, { small: 2_000, large: 40_000 });
  });
});

const token = fc.oneof(
  fc.constantFrom(
    '"',
    '\\',
    '{',
    '}',
    '[',
    ']',
    ':',
    ',',
    '=',
    ' ',
    '\n',
    'true',
    'null',
    '1',
    '\\u',
    'a',
    'é',
    '_entry',
  ),
  fc.string({ maxLength: 3 }),
);

test('no line breaks a parser, or makes it read what is not its line', () => {
  const stages = [
    new JsonStage(NeededLabels.all, texts),
    new LogfmtStage(
      { kind: 'logfmt', strict: false, keepEmpty: true, extractions: [] },
      NeededLabels.all,
      texts,
    ),
    new LogfmtStage(
      { kind: 'logfmt', strict: true, keepEmpty: false, extractions: [] },
      NeededLabels.all,
      texts,
    ),
    new UnpackStage(NeededLabels.all, texts),
  ];
  fc.assert(
    fc.property(
      fc.oneof(
        fc.array(token, { maxLength: 25 }).map((tokens) => Buffer.from(tokens.join(''))),
        fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
      ),
      (line) => {
        for (const stage of stages) {
          const framed = parse(stage, line);
          const row = new Row();
          row.reset(base, 0n, 0);
          row.setLine(line, 0, line.length);
          stage.run(row);
          const alone = row.parsedNames
            .slice(0, row.parsedCount)
            .map((name, i) => [name, row.parsedValues[i]]);
          expect(framed).toEqual({ labels: Object.fromEntries(alone) as unknown, error: row.error });
        }
      },
    ),
    { numRuns: 3000 },
  );
});

describe('logfmt', () => {
  const value = fc.string({ unit: fc.constantFrom('a', ' ', '"', '\\', '=', 'é', '1', '\n') });

  test('pairs that were written as logfmt are read back', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(fc.stringMatching(/^[a-z]{1,4}$/), value), { selector: ([k]) => k }),
        (pairs) => {
          const line = Buffer.from(
            pairs.map(([k, v]) => `${k}=${/^[a1é]*$/.test(v) ? v : JSON.stringify(v)}`).join(' '),
          );
          const stage = new LogfmtStage(
            { kind: 'logfmt', strict: true, keepEmpty: true, extractions: [] },
            NeededLabels.all,
            texts,
          );
          expect(parse(stage, line)).toEqual({ labels: Object.fromEntries(pairs), error: '' });
        },
      ),
      { numRuns: 500 },
    );
  });
});

test('a line of logfmt gives the same labels after any other lines', () => {
  const piece = fc.constantFrom(
    'a',
    'b',
    'ab',
    'status',
    '=',
    '=',
    '"',
    '\\',
    ' ',
    ' ',
    '\t',
    '5',
    'é',
    '\n',
  );
  const line = fc.array(piece, { maxLength: 24 }).map((pieces) => pieces.join(''));
  fc.assert(
    fc.property(
      fc.array(line, { minLength: 2, maxLength: 6 }),
      fc.boolean(),
      fc.boolean(),
      fc.constantFrom(undefined, ['a'], ['status', 'b'], ['absent']),
      (lines, strict, keepEmpty, names) => {
        const needed = names ? new NeededLabels(new Set(names)) : NeededLabels.all;
        const stage = () =>
          new LogfmtStage({ kind: 'logfmt', strict, keepEmpty, extractions: [] }, needed, texts);
        // The keys of one line are a guess for those of the next; a new stage guesses nothing.
        const experienced = stage();
        for (const text of [...lines, ...lines]) {
          const bytes = Buffer.from(text, 'utf8');
          expect(parse(experienced, bytes)).toEqual(parse(stage(), bytes));
        }
      },
    ),
    { numRuns: 2000 },
  );
});
