import { parseMediaType } from './media-type.ts';

test.each([
  ['application/json', 'application/json'],
  ['Application/JSON; charset=utf-8', 'application/json'],
  ['application/json;charset="utf-8"; x=y', 'application/json'],
  ['application/x-protobuf;', 'application/x-protobuf'],
  ['text', 'text'],
])('%j is the media type %s', (header, type) => {
  expect(parseMediaType(header)).toBe(type);
});

test.each([
  ['', 'mime: no media type'],
  [' ; charset=x', 'mime: no media type'],
  ['bad/;type', 'mime: expected token after slash'],
  ['a b', 'mime: expected slash after first token'],
  ['a/b c', 'mime: unexpected content after media subtype'],
  ['a/b; c', 'mime: invalid media parameter'],
  ['a/b; c=1; C=2', 'mime: duplicate parameter name'],
])('%j is refused as Go refuses it: %s', (header, text) => {
  expect(() => parseMediaType(header)).toThrow(text);
});
