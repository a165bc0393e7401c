/** Rule: sentences in comments and docs name their subject. */
import { maskComments } from './mask.ts';
import { lineAt } from './tree.ts';
import type { Fault, Tree } from './tree.ts';

/** Between two words of a sentence, in one line or over two of a comment. */
const gap = '\\s+(?:(?:\\*|//)\\s+)?';
/** Words that begin a clause where the name of a thing should stand. */
const nameless = 'What|Whatever|Who|Whoever|Whom|Whose|Nobody|Somebody|So many';
/**
 * A clause as a subject ("That it waits is right"). "That" before a noun or a verb points to the sentence
 * before, and stays.
 */
const clause =
  `That(?=${gap}(?:(?:a|all|an|any|both|each|every|he|it|its|no|nothing|our|she|some|the|their|there|these|they` +
  `|this|those|we|you)\\b|\\w+s (?:are|have|were)\\b))`;
/** A sentence of a comment: its first one, or one after another. Only the word is part of the match. */
const ofComment = new RegExp(
  `(?<=/\\*\\*?\\s+(?:\\*\\s)?|//\\s|[.:;!?]\\s+(?:\\*\\s+|//\\s+)?)(${nameless}|${clause})\\b`,
  'g',
);
/** A sentence of a page: of a paragraph, an item, a cell or a heading. */
const ofPage = new RegExp(
  `(?<=^|^#+ |^\\s*(?:[-*]|\\d+\\.) |[|.:;!?] |\\*\\* |\\[)(${nameless}|${clause})\\b`,
  'gm',
);

/** A clause after a preposition, in place of a noun. */
const object = new RegExp(
  `\\b(?:about|after|at|before|behind|by|for|from|in|into|of|on|over|than|to|with)${gap}(what|who|whom)\\b`,
  'gi',
);
/** Words for an actor or a number that the sentence does not name, wherever they stand. */
const vague = /\b(nobody|somebody|whoever|whomever|so long|so many)\b/gi;
/** Idioms that readers with another first language have to guess, each with a plain word for it. */
const idioms: ReadonlyMap<string, string> = new Map([
  ['hears of', 'receives, sees'],
  ['heard of', 'received, seen'],
  ['is told', 'receives'],
  ['are told', 'receive'],
  ['was told', 'received'],
  ['were told', 'received'],
  ['told apart', 'distinguished'],
  ['for ever', 'without end'],
  ['all the same', 'nevertheless'],
  ['at hand', 'available'],
]);
/** A tag behind other words of a line of a block, where no reader and no tool takes it for a tag. */
const tagBehind = /^\s*\*(?!\/)[^\n@`]*[^\s*@`][^\n@`]* (@(?:param|returns|throws))\b/gm;
const idiom = new RegExp(`\\b(${[...idioms.keys()].join('|')})\\b`, 'gi');

/** Sentences name their subject, actors and numbers: in all comments and pages. */
export function checkComments({ files, pages }: Tree): Fault[] {
  const faults: Fault[] = [];
  for (const { path, text } of files) {
    const words = [...wordsOf(text, ofComment), ...tagsBehind(text)];
    if (words.length === 0) continue;
    const code = maskComments(text);
    for (const { index, word, fault } of words) {
      if (code[index] === word[0]) continue; // inside a text
      faults.push({ path, line: lineAt(text, index), text: fault });
    }
  }
  for (const { path, text } of pages) {
    const prose = text.replaceAll(/^(```|~~~)[^]*?^\1|`[^`\n]*`|“[^”\n]*”/gm, (code) =>
      code.replaceAll(/[^\n]/g, ' '),
    );
    for (const { index, fault } of wordsOf(prose, ofPage)) {
      if (/^[^.!|]*\?/.test(prose.slice(index))) continue; // a question
      faults.push({ path, line: lineAt(text, index), text: fault });
    }
  }
  return faults;
}

function* tagsBehind(text: string): ReturnType<typeof wordsOf> {
  for (const { index, 0: line, 1: word } of text.matchAll(tagBehind)) {
    yield { index: index + line.length - word.length, word, fault: `${word} begins its line` };
  }
}

/** The words that stand for a name: at the start of a sentence, and the vague ones anywhere else. */
function* wordsOf(text: string, start: RegExp): Generator<{ index: number; word: string; fault: string }> {
  const starts = new Set<number>();
  for (const { index, 1: word } of text.matchAll(start)) {
    starts.add(index);
    yield { index, word, fault: `a sentence names its subject: not "${word} …"` };
  }
  for (const { index, 1: word } of text.matchAll(vague)) {
    if (starts.has(index)) continue;
    yield { index, word, fault: `a sentence names the actor or the number: not "${word}"` };
  }
  for (const { index, 0: words, 1: word } of text.matchAll(object)) {
    const fault = `a preposition has a noun: not "${words.replace(/\s[^]*\s|\s/, ' ')}"`;
    yield { index: index + words.length - word.length, word, fault };
  }
  for (const { index, 1: word } of text.matchAll(idiom)) {
    yield { index, word, fault: `not "${word}": say ${idioms.get(word.toLowerCase())}` };
  }
}
