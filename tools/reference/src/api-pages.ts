/** docs/api: all exports of each library's index, with their comments in the code. */
import path from 'node:path';
import type { ClassDeclaration, Node, Statement } from 'typescript/unstable/ast';
import {
  isClassDeclaration,
  isClassStaticBlockDeclaration,
  isConstructorDeclaration,
  isEnumDeclaration,
  isExportDeclaration,
  isFunctionDeclaration,
  isIdentifier,
  isInterfaceDeclaration,
  isMethodDeclaration,
  isNamedExports,
  isStringLiteral,
  isTypeAliasDeclaration,
  isVariableStatement,
} from 'typescript/unstable/ast/is';
import type { ProductFile } from './source.ts';

interface Exported {
  readonly name: string;
  /** The file that declares it. */
  readonly file: string;
  /** Undefined: generated code, which its .proto file documents. */
  readonly declaration: Statement | undefined;
}

const indexPath = /^libs\/([^/]+)\/([^/]+)\/src\/index\.ts$/;
/** A member that begins with one of these words, or with `#`, is no part of the API. */
const privateMember = /^(?:(?:static|readonly|async|get|set) |\*)*(?:#|private\b|protected\b)/;
/** Longer values of constants do not help a reader. */
const valueLinesMax = 12;

/**
 * Pages by their names: one for each library, and README.md, which lists them.
 *
 * @throws Error for an export whose declaration is not where its index says
 */
export function apiPages(files: ReadonlyMap<string, ProductFile>): Map<string, string> {
  const pages = new Map<string, string>();
  const list: string[] = [];
  for (const file of files.values()) {
    const [, group, library] = indexPath.exec(file.path) ?? [];
    if (library === undefined) continue;
    const exported = exportsOf(file, files);
    const text = exported.map(entryText).join('\n');
    const head = `# @loki/${library}\n\n[libs/${group}/${library}](../../libs/${group}/${library}/README.md): ${exported.length} exports.\n`;
    pages.set(`${library}.md`, `${head}\n${text}`);
    list.push(
      `- [@loki/${library}](${library}.md) (${group}): ${exported.map(({ name }) => `\`${name}\``).join(', ')}`,
    );
  }
  pages.set('README.md', `# Exports of the libraries\n\n${list.join('\n')}\n`);
  return pages;
}

function exportsOf(index: ProductFile, files: ReadonlyMap<string, ProductFile>): Exported[] {
  const exported: Exported[] = [];
  for (const statement of index.syntax.statements) {
    if (!isExportDeclaration(statement)) continue;
    const { moduleSpecifier, exportClause } = statement;
    if (!moduleSpecifier || !isStringLiteral(moduleSpecifier)) continue;
    if (!exportClause || !isNamedExports(exportClause)) continue;
    const home = path.posix.join(path.posix.dirname(index.path), moduleSpecifier.text);
    for (const { name, propertyName } of exportClause.elements) {
      const own = propertyName ?? name;
      const declaration = files.get(home)?.syntax.statements.find((each) => declares(each, own.text));
      if (!declaration && !home.includes('/generated/')) throw new Error(`${home} declares no ${own.text}`);
      exported.push({
        name: name.text,
        file: home,
        declaration: home.includes('/generated/') ? undefined : declaration,
      });
    }
  }
  return exported.sort((a, b) => (a.name.toLowerCase() < b.name.toLowerCase() ? -1 : 1));
}

function declares(statement: Statement, name: string): boolean {
  if (isVariableStatement(statement)) {
    return statement.declarationList.declarations.some(
      (each) => isIdentifier(each.name) && each.name.text === name,
    );
  }
  const isNamed =
    isFunctionDeclaration(statement) ||
    isClassDeclaration(statement) ||
    isInterfaceDeclaration(statement) ||
    isTypeAliasDeclaration(statement) ||
    isEnumDeclaration(statement);
  return isNamed && statement.name?.text === name;
}

function entryText({ name, file, declaration }: Exported): string {
  const source = `[${path.posix.basename(file)}](../../${file})`;
  if (!declaration) return `## ${name}\n\nGenerated; ${source}.\n`;
  const prose = proseOf(declaration);
  return `## ${name}\n\n${prose === '' ? '' : `${prose}\n\n`}${source}\n\n\`\`\`ts\n${signature(declaration)}\n\`\`\`\n`;
}

/** The text of the last doc comment before a node; '' without a comment. */
function proseOf(node: Node): string {
  const before = node.getFullText().slice(0, node.getStart() - node.getFullStart());
  const comment = [...before.matchAll(/\/\*\*([^]*?)\*\//g)].at(-1)?.[1] ?? '';
  return comment
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, '').trimEnd())
    .join('\n')
    .replaceAll(
      /^@(\w+)(?: +(\w+))?/gm,
      (_, tag: string, name?: string) => `- *${tag}*${name ? ` ${name}` : ''}`,
    )
    .replaceAll(/(?<!\n)\n- \*/g, (match, at: number, whole: string) =>
      whole.slice(0, at).includes('\n- *') ? match : `\n${match}`,
    )
    .trim();
}

function signature(declaration: Statement): string {
  if (isClassDeclaration(declaration)) return classSignature(declaration);
  if (isFunctionDeclaration(declaration)) return withoutBody(declaration, declaration.body);
  const lines = declaration.getText().split('\n');
  if (!isVariableStatement(declaration) || lines.length <= valueLinesMax) return lines.join('\n');
  return [...lines.slice(0, valueLinesMax), '  …'].join('\n');
}

function withoutBody(node: Node, body: Node | undefined): string {
  const text = node.getText();
  return body ? `${text.slice(0, body.getStart() - node.getStart()).trimEnd()};` : text;
}

/** A class with the signatures of its public members. */
function classSignature(declaration: ClassDeclaration): string {
  const text = declaration.getText();
  const first = declaration.members.at(0);
  const head = first ? text.slice(0, first.getFullStart() - declaration.getStart()).trimEnd() : text;
  const members = declaration.members
    .filter((member) => !isClassStaticBlockDeclaration(member))
    .filter((member) => !privateMember.test(member.getText()))
    .map((member) => {
      const before = member
        .getFullText()
        .slice(0, member.getStart() - member.getFullStart())
        .trim();
      const hasBody = isMethodDeclaration(member) || isConstructorDeclaration(member);
      const code = hasBody ? withoutBody(member, member.body) : accessorText(member);
      return `${before === '' ? '' : `  ${before}\n`}  ${code}`;
    });
  return [head, ...members, '}'].join('\n');
}

/** The text of a property; a getter without its body. */
function accessorText(member: Node): string {
  const text = member.getText();
  const brace = /^(?:static )?(?:get|set) /.test(text) ? text.indexOf(' {') : -1;
  return brace < 0 ? text : `${text.slice(0, brace)};`;
}
