import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LokiError } from '@loki/model';
import { parseExpr } from './check.ts';
import { parseSyntax } from './parser.ts';
import { formatExpr } from './pretty.ts';
import { canonicalText, printExpr } from './print.ts';

// Protects printed queries: canonical text, pretty text, error texts and error positions are the reference's,
// as recorded.

interface Case {
  readonly query: string;
  readonly text?: string;
  readonly error?: string;
}

function readCases(name: string): Case[] {
  const text = readFileSync(join(__dirname, 'testdata', name), 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Case);
}

function errorOf(run: () => unknown): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(LokiError);
    expect((error as LokiError).status).toBe(400);
    return (error as LokiError).message;
  }
}

const formats = readCases('format-cases.jsonl');

test.each(formats.filter((item) => item.text !== undefined))('formats $query', ({ query, text }) => {
  expect(formatExpr(parseSyntax(query, 'any'))).toBe(text);
});

test.each(formats.filter((item) => item.error !== undefined))('refuses $query', ({ query, error }) => {
  expect(errorOf(() => parseSyntax(query, 'any'))).toBe(error);
});

test.each(readCases('error-cases.jsonl'))('refuses to run $query', ({ query, error }) => {
  expect(errorOf(() => parseExpr(query))).toBe(error);
});

test.each(formats.filter((item) => item.text !== undefined))(
  'exact text of $query reads back',
  ({ query }) => {
    const expr = parseSyntax(query, 'any');
    const again = parseSyntax(printExpr(expr), 'any');
    expect(printExpr(again)).toBe(printExpr(expr));
    expect(canonicalText(again)).toBe(canonicalText(expr));
  },
);
