/** Protects manifests made for Loki's canary: their flags mean the same here. */
import { flagsText, parseFlags } from './flags.ts';
import { addressesOf, canaryFlags, headersOf, labelsOf, selectorOf } from './options.ts';

test('flags are read as Go reads them', () => {
  const options = parseFlags(canaryFlags, [
    '-addr=loki:3100',
    '--labelname',
    'pod',
    '-labelvalue=$(POD_NAME)',
    '-interval=500ms',
    '-max-wait=1h30m',
    '-push',
    '-tls=false',
    '-buckets',
    '5',
  ]);
  expect(options).toMatchObject({
    push: true,
    tls: false,
    buckets: 5,
    interval: 500,
    labelvalue: '$(POD_NAME)',
  });
  expect(options['max-wait']).toBe(5_400_000);
  expect(options['spot-check-max']).toBe(4 * 3_600_000);
  expect(options.port).toBe(3500);
});

test.each([
  [['-nonsense'], 'flag provided but not defined: -nonsense'],
  [['-addr'], 'flag needs an argument: -addr'],
  [['-interval=5'], 'invalid value "5" for flag -interval: parse error'],
  [['-size=big'], 'invalid value "big" for flag -size: parse error'],
  [['-push=maybe'], 'invalid value "maybe" for flag -push: parse error'],
  [['word'], 'unexpected argument: word'],
  [['-__proto__=x'], 'flag provided but not defined: -__proto__'],
])('%j is refused: %s', (argv, text) => {
  expect(() => parseFlags(canaryFlags, argv)).toThrow(text);
});

test('addresses, headers and labels are what the flags say', () => {
  const options = parseFlags(canaryFlags, [
    '-addr=a:1, b:2',
    '-tls',
    '-tenant-id=acme',
    '-user=u',
    '-pass=p',
    '-labels=x=1,y=2',
    '-streamvalue=push',
  ]);
  expect(addressesOf(options)).toEqual(['https://a:1', 'https://b:2']);
  expect(headersOf(options)).toEqual({ 'x-scope-orgid': 'acme', authorization: 'Basic dTpw' });
  expect(selectorOf(labelsOf(options))).toBe('{x="1",y="2",name="loki-canary",stream="push"}');
});

test('the help names every flag', () => {
  const text = flagsText('loki-canary', canaryFlags);
  for (const name of Object.keys(canaryFlags)) expect(text).toContain(`  -${name}`);
});
