/** Protects format_query: a query on many lines is the query that was given. */
import { canonicalText, formatExpr, parseSyntax } from '@loki/logql';
import type { Expr } from '@loki/logql';
import { Prng } from '@loki/virtual';
import { drawData } from './data.ts';
import { drawQuestion } from './gen-request.ts';
import { Referee } from './referee.ts';

/**
 * The reference's layout leaves out the parentheses of no labels, and some of these texts cannot be read
 * again.
 */
const hasEmptyLabels = /(?:by|without|on|ignoring) \(\)/;

/** undefined: one of the questions that are to be refused. */
function parsed(query: string): Expr | undefined {
  try {
    return parseSyntax(query, 'any');
  } catch {
    return undefined;
  }
}

test('300 random queries mean the same in the layout of format_query, and stand in it as they are', () => {
  let laidOut = 0;
  for (let seed = 1; seed <= 3; seed++) {
    const random = new Prng(seed);
    const data = drawData(random);
    const { rows } = new Referee(data);
    for (let i = 0; i < 100; i++) {
      const { query } = drawQuestion(random, data, rows);
      const expr = hasEmptyLabels.test(query) ? undefined : parsed(query);
      if (!expr) continue;
      const pretty = formatExpr(expr);
      if (pretty.includes('\n')) laidOut++;
      const again = parseSyntax(pretty, 'any');
      expect({ query, text: canonicalText(again) }).toEqual({ query, text: canonicalText(expr) });
      expect(formatExpr(again)).toBe(pretty);
    }
  }
  expect(laidOut).toBeGreaterThan(50);
});
