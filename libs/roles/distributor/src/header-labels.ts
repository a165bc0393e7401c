/** Values of request headers as labels of metrics: only known values, so that clients cannot add series. */
const contentTypes = new Set(['application/json', 'application/x-protobuf', 'text/plain']);
const encodings = new Set(['gzip', 'deflate', 'snappy', 'zstd', 'lz4']);

/** Known header values as metric labels: clients choose the values, so others become one label. */
export function knownType(contentType: string): string {
  const type = contentType.split(';', 1)[0].trim().toLowerCase();
  return contentTypes.has(type) ? type : 'other';
}

export function knownEncoding(encoding: string): string {
  return encoding === '' || encodings.has(encoding) ? encoding : 'other';
}
