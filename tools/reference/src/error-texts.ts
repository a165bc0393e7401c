/** The texts of errors, read from the places that make them. */
import { SyntaxKind } from 'typescript/unstable/ast';
import type {
  Expression,
  FunctionDeclaration,
  Identifier,
  MethodDeclaration,
  Node,
} from 'typescript/unstable/ast';
import {
  isBinaryExpression,
  isCallExpression,
  isConditionalExpression,
  isFunctionDeclaration,
  isIdentifier,
  isLiteralTypeNode,
  isMethodDeclaration,
  isNewExpression,
  isNoSubstitutionTemplateLiteral,
  isParenthesizedExpression,
  isPropertyAccessExpression,
  isStringLiteral,
  isTemplateExpression,
  isVariableDeclaration,
} from 'typescript/unstable/ast/is';
import type { ProductFile } from './source.ts';
import { ancestor } from './walk.ts';

/** One text of one error; `…` stands for values of a request, a limit or a cause. */
export interface ErrorText {
  /** The code in the catalogue; '' for an error that has none. */
  readonly code: string;
  readonly text: string;
  /** The file that makes it. */
  readonly file: string;
}

const gap = '…';
/** Alternatives of one text: more of them do not help a reader. */
const alternativesMax = 8;
/** Functions that pass a text to an error. */
const callersMax = 3;

type Files = ReadonlyMap<string, ProductFile>;

/** All texts passed to `new ErrorClass(…)`. @param arguments_ positions of its code and its text */
export function errorTexts(
  files: Files,
  errorClass: string,
  arguments_: { readonly code?: number; readonly text: number },
): ErrorText[] {
  const texts = new Map<string, ErrorText>();
  for (const file of files.values()) {
    for (const node of file.nodes) {
      if (!isNewExpression(node) || !isIdentifier(node.expression)) continue;
      const args = node.arguments ?? [];
      const text = args[arguments_.text] as Expression | undefined;
      if (node.expression.text !== errorClass || text === undefined) continue;
      const codes = arguments_.code === undefined ? [''] : textsOf(args[arguments_.code], file, files, 0);
      for (const each of textsOf(text, file, files, 0)) {
        if (!/[a-z]/i.test(each.text)) continue;
        for (const code of codes) {
          const one = {
            code: typeof code === 'string' ? code : code.text,
            text: each.text.trim(),
            file: each.file,
          };
          texts.set(`${one.code} ${one.text} ${one.file}`, one);
        }
      }
    }
  }
  return [...texts.values()];
}

interface Text {
  readonly text: string;
  /** The file with the text: a caller's where a helper only passes it on. */
  readonly file: string;
}

/** The texts that an expression may have, with gaps for parts that are not literal. */
function textsOf(expression: Expression, file: ProductFile, files: Files, depth: number): Text[] {
  const one = (text: string): Text[] => [{ text, file: file.path }];
  const of = (inner: Expression) => textsOf(inner, file, files, depth);
  if (isStringLiteral(expression) || isNoSubstitutionTemplateLiteral(expression)) return one(expression.text);
  if (isParenthesizedExpression(expression)) return of(expression.expression);
  if (isConditionalExpression(expression)) {
    return [...of(expression.whenTrue), ...of(expression.whenFalse)].slice(0, alternativesMax);
  }
  if (isBinaryExpression(expression)) {
    const { left, right } = expression;
    if (expression.operatorToken.kind === SyntaxKind.PlusToken) return joined(of(left), of(right));
    // `a ?? b`
    return [...of(left), ...of(right)].slice(0, alternativesMax);
  }
  if (isTemplateExpression(expression)) {
    let texts = one(expression.head.text);
    for (const { expression: inner, literal } of expression.templateSpans) {
      texts = joined(texts, isConditionalExpression(inner) ? of(inner) : one(gap));
      texts = joined(texts, one(literal.text));
    }
    return texts;
  }
  if (isIdentifier(expression)) return textsOfName(expression, file, files, depth);
  return one(gap);
}

function joined(left: readonly Text[], right: readonly Text[]): Text[] {
  const all = left.flatMap((a) => right.map((b) => ({ text: a.text + b.text, file: a.file })));
  return all.slice(0, alternativesMax);
}

/** A name is a parameter, whose values are the callers', or a constant of this file or another. */
function textsOfName(identifier: Identifier, file: ProductFile, files: Files, depth: number): Text[] {
  const name = identifier.text;
  const maker = ancestor(identifier, isFunction);
  const position =
    maker?.parameters.findIndex((each) => isIdentifier(each.name) && each.name.text === name) ?? -1;
  if (maker && position >= 0) {
    const makerName = maker.name && isIdentifier(maker.name) ? maker.name.text : undefined;
    if (makerName === undefined || depth >= callersMax) return [{ text: gap, file: file.path }];
    const texts: Text[] = [];
    for (const caller of callersOf(makerName, file, files)) {
      const argument = caller.call.arguments[position] as Expression | undefined;
      if (argument) texts.push(...textsOf(argument, caller.file, files, depth + 1));
    }
    return texts.length === 0 ? [{ text: gap, file: file.path }] : texts;
  }
  const home = file.imports.has(name) ? [...files.values()] : [file];
  for (const other of home) {
    const value = constantOf(name, other);
    if (value) return depth >= callersMax ? [] : textsOf(value, other, files, depth + 1);
  }
  return [{ text: gap, file: file.path }];
}

function isFunction(node: Node): node is FunctionDeclaration | MethodDeclaration {
  return isFunctionDeclaration(node) || isMethodDeclaration(node);
}

function* callersOf(name: string, file: ProductFile, files: Files) {
  for (const other of files.values()) {
    if (other.path !== file.path && !other.imports.has(name)) continue;
    for (const call of other.nodes) {
      if (!isCallExpression(call)) continue;
      const { expression } = call;
      const callee = isPropertyAccessExpression(expression) ? expression.name : expression;
      if (isIdentifier(callee) && callee.text === name) yield { call, file: other };
    }
  }
}

/** The value of a constant of a file. */
function constantOf(name: string, { nodes }: ProductFile): Expression | undefined {
  for (const node of nodes) {
    if (!isVariableDeclaration(node) || !isIdentifier(node.name) || node.name.text !== name) continue;
    if (node.initializer && !isCallExpression(node.initializer)) return node.initializer;
  }
  return undefined;
}

/** Files of a folder in which a text stands as a value. */
export function filesWithText(files: Files, folder: string, text: string): string[] {
  const names: string[] = [];
  for (const file of files.values()) {
    if (!file.path.startsWith(folder)) continue;
    const isThere = file.nodes.some(
      (node) => isStringLiteral(node) && node.text === text && !isLiteralTypeNode(node.parent),
    );
    if (isThere) names.push(file.path);
  }
  return names;
}
