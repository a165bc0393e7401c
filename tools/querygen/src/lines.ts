/** Draws log lines of several formats. */
import type { Prng } from '@loki/virtual';

/** The form of a stream's lines; a stream label names it, so that queries can aim. */
export const formats = ['json', 'logfmt', 'plain', 'packed', 'odd'] as const;
export type Format = (typeof formats)[number];

/** `dyadic`: multiples of 1/8, whose sums are exact in any order. */
export type Numbers = 'dyadic' | 'decimal';

export const levels = ['debug', 'info', 'warn', 'error', 'ERROR'] as const;
export const words = [
  'timeout',
  'connection',
  'refused',
  'GET',
  'user',
  'cache miss',
  'ünïcode',
  'ſtraße',
  'KELVIN',
  'x',
] as const;
export const paths = ['/api/v1/users', '/api/v1/push', '/', '/health?x=1', '/a b'] as const;
export const addresses = [
  '10.0.0.7',
  '10.0.1.200',
  '192.168.4.5',
  '2001:db8::1',
  '::ffff:10.0.0.7',
  '300.1.1.1',
] as const;
const durations = ['1.5s', '250ms', '2m', '1h3m', '0', '-5s', 'soon'] as const;
/** Escapes and control characters in one value. */
const escapedTexts = [
  '"say \\"hi\\"\n twice"',
  '"a\\\\b\tc"',
  '"\\n\u001b[31mred\u001b[0m"',
  '"\\u0041\0"',
] as const;
const sizes = ['512B', '12KiB', '3MB', '1.5 GB', '7', 'big'] as const;

export class LineMaker {
  readonly #random: Prng;
  readonly #numbers: Numbers;

  constructor(random: Prng, numbers: Numbers) {
    this.#random = random;
    this.#numbers = numbers;
  }

  line(format: Format): string {
    // A stream rarely has lines of one kind alone.
    const shape = this.#random.chance(0.05) ? this.#random.pick(formats) : format;
    switch (shape) {
      case 'json':
        return this.#json();
      case 'logfmt':
        return this.#logfmt();
      case 'plain':
        return this.#plain();
      case 'packed':
        return this.#packed();
      case 'odd':
        return this.#odd();
    }
  }

  number(): string {
    const random = this.#random;
    if (random.chance(0.03)) return random.pick(['NaN', 'abc', '', '1e3', '-0', '+5', '0x10', 'Inf']);
    if (this.#numbers === 'dyadic') return String(random.int(-40, 800) / 8);
    return random.pick([String(random.int(0, 500) / 10), random.float().toFixed(random.int(1, 9)), '0.1']);
  }

  #json(): string {
    const random = this.#random;
    const fields: string[] = [];
    const add = (name: string, odds: number, value: () => string) => {
      if (random.chance(odds)) {
        fields.push(`${JSON.stringify(name)}:${random.chance(0.2) ? ' ' : ''}${value()}`);
      }
    };
    const text = (value: string) => JSON.stringify(value);
    add('level', 0.8, () => text(random.pick(levels)));
    add('status', 0.7, () => String(random.pick([200, 201, 404, 500, 503])));
    add('latency', 0.7, () => (random.chance(0.8) ? jsonNumber(this.number()) : text(this.number())));
    add('dur', 0.5, () => text(random.pick(durations)));
    add('size', 0.5, () => text(random.pick(sizes)));
    add('msg', 0.7, () => text(this.#message()));
    add(
      'user',
      0.3,
      () => `{"id":${random.int(1, 4)},"name":${text(random.pick(['bob', 'eve', '']))},"tags":["a","b"]}`,
    );
    add('app', 0.1, () => text('clash'));
    add('trace_id', 0.1, () => text('inner'));
    add('ok', 0.2, () => random.pick(['true', 'false', 'null']));
    add('list', 0.1, () => '[1,{"a":"b"},"c"]');
    add('bad-name.x', 0.1, () => text('sanitised'));
    add('level', 0.03, () => text('twice'));
    const body = `{${fields.join(',')}}`;
    return random.chance(0.04) ? body.slice(0, random.int(0, body.length)) : body;
  }

  #logfmt(): string {
    const random = this.#random;
    const fields: string[] = [];
    const add = (name: string, odds: number, value: () => string) => {
      if (random.chance(odds)) fields.push(`${name}=${value()}`);
    };
    add('ts', 0.2, () => '2024-01-01T00:00:00Z');
    add('level', 0.8, () => random.pick(levels));
    add('status', 0.7, () => String(random.pick([200, 201, 404, 500, 503])));
    add('latency', 0.7, () => this.number());
    add('dur', 0.5, () => random.pick(durations));
    add('size', 0.5, () => JSON.stringify(random.pick(sizes)));
    add('msg', 0.7, () => JSON.stringify(this.#message()));
    add('empty', 0.1, () => '');
    add('msg', 0.06, () => random.pick(escapedTexts));
    add('env', 0.1, () => 'clash');
    add('user.id', 0.1, () => String(random.int(1, 4)));
    add('ip', 0.3, () => random.pick(addresses));
    if (random.chance(0.1)) fields.push('bare');
    if (random.chance(0.04)) fields.push(random.pick(['="x', 'a="unclosed', '=', 'k=v"w"']));
    return fields.join(random.chance(0.1) ? '  ' : ' ');
  }

  #plain(): string {
    const random = this.#random;
    const parts = [
      random.pick(addresses),
      '-',
      random.pick(['GET', 'POST', 'PUT']),
      random.pick(paths),
      String(random.pick([200, 404, 500])),
      this.number(),
      `"${this.#message()}"`,
    ];
    return parts.slice(0, random.chance(0.1) ? random.int(0, parts.length) : parts.length).join(' ');
  }

  #packed(): string {
    const random = this.#random;
    const entry = random.pick([this.#logfmt(), this.#plain(), '']);
    const members = [
      `"_entry":${JSON.stringify(entry)}`,
      `"pod":"p${random.int(0, 3)}"`,
      '"n":1',
      '"level":"packed"',
    ];
    return `{${members.filter(() => random.chance(0.8)).join(',')}}`;
  }

  #odd(): string {
    const random = this.#random;
    return random.pick([
      '',
      ' ',
      '\u001b[31mERROR\u001b[0m something \u001b[1;32mfailed\u001b[m',
      'tab\tand\r\nline\nbreak',
      '日本語 ログ 10.0.0.7 𝒳𝒴',
      'ſtraße İstanbul KELVIN ΣΑΣ',
      'a'.repeat(random.int(1, 300)),
      `level=${random.pick(levels)} "quoted" 'single' \\back\\slash`,
      '{"level":"info"} trailing',
      `${random.pick(words)}${random.pick(words)}`,
      '\ufeffbom \u0000nul \u2028sep',
    ]);
  }

  #message(): string {
    const count = this.#random.int(1, 4);
    return Array.from({ length: count }, () => this.#random.pick(words)).join(' ');
  }
}

/** JSON has no NaN, no hexadecimal and no sign before a plus. */
function jsonNumber(text: string): string {
  return /^-?\d+(\.\d+)?(e\d+)?$/.test(text) ? text : JSON.stringify(text);
}
