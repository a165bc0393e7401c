/** The lines of a data set as OTLP, as a collector that reads the logs of Kubernetes sends them. */

/** A body of Loki's JSON push. */
export interface PushBody {
  readonly streams: readonly {
    readonly stream: Readonly<Record<string, string>>;
    readonly values: readonly (readonly [
      timestampNs: string,
      line: string,
      metadata?: Readonly<Record<string, string>>,
    ])[];
  }[];
}

/** Labels of the data set by the names that OpenTelemetry has for them. */
const resourceNames: Readonly<Record<string, string>> = {
  app: 'service.name',
  cluster: 'k8s.cluster.name',
  namespace: 'k8s.namespace.name',
  pod: 'k8s.pod.name',
  container: 'k8s.container.name',
  // An index label too: the outputs of a container come from different agents, each in an order of its own.
  stream: 'container.name',
};

export function otlpJson({ streams }: PushBody): Buffer {
  const resourceLogs = streams.map(({ stream, values }) => ({
    resource: { attributes: jsonAttributes(resourceOf(stream)) },
    scopeLogs: [
      {
        scope: {},
        logRecords: values.map(([timeUnixNano, line, metadata = {}]) => ({
          timeUnixNano,
          body: { stringValue: line },
          attributes: jsonAttributes(metadata),
        })),
      },
    ],
  }));
  return Buffer.from(JSON.stringify({ resourceLogs }));
}

function resourceOf(stream: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(stream).map(([name, value]) => [resourceNames[name] ?? name, value]),
  );
}

function jsonAttributes(pairs: Readonly<Record<string, string>>): object[] {
  return Object.entries(pairs).map(([key, stringValue]) => ({ key, value: { stringValue } }));
}

export function otlpProtobuf({ streams }: PushBody): Buffer {
  return Buffer.concat(
    streams.flatMap(({ stream, values }) => {
      const resource = attributes(1, resourceOf(stream));
      const records = values.flatMap(([timestampNs, line, metadata = {}]) => {
        const time = Buffer.alloc(9);
        time[0] = fixed64Tag;
        time.writeBigUInt64LE(BigInt(timestampNs), 1);
        const body = field(5, field(1, Buffer.from(line)));
        return field(2, [time, ...body, ...attributes(6, metadata)]);
      });
      return field(1, [...field(1, resource), ...field(2, records)]);
    }),
  );
}

/** `LogRecord.time_unix_nano`: field 1. */
const fixed64Tag = (1 << 3) | 1;

/** A field of bytes: its tag, its length, its parts. */
function field(number: number, content: Buffer | readonly Buffer[]): Buffer[] {
  const parts = Buffer.isBuffer(content) ? [content] : content;
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return [varint((number << 3) | 2), varint(length), ...parts];
}

function attributes(number: number, pairs: Readonly<Record<string, string>>): Buffer[] {
  return Object.entries(pairs).flatMap(([key, value]) =>
    field(number, [...field(1, Buffer.from(key)), ...field(2, field(1, Buffer.from(value)))]),
  );
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let bits = value;
  for (; bits >= 0x80; bits >>>= 7) bytes.push((bits & 0x7f) | 0x80);
  return Buffer.from([...bytes, bits]);
}
