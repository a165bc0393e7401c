/** Real Kafka brokers behind links that can be broken. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { certify, freePorts } from '@loki/test-tools';
import { Daemon } from './daemon.ts';
import { Link } from './link.ts';
import type { LinkMode } from './link.ts';
import { ProduceAnswers } from './protocols.ts';

const version = '4.3.0';
const localhost = '127.0.0.1';
/** Any 16 bytes. */
const clusterId = 'bG9raS10ZXN0LWNsdXN0ZQ';

/** 45 MB. */
const fetchTimeoutMs = 600_000;

interface Broker {
  readonly daemon: Daemon;
  readonly port: number;
  readonly link: Link;
}

/** Brokers of a real Kafka (KRaft), each reached by clients through a link that can be broken. */
export class KafkaBrokers {
  readonly addresses: string;
  /** The same brokers by TLS, with authentication; undefined: openssl is missing. */
  readonly secure: SecureAddresses | undefined;
  /** Requests of clients until now, by API key; without those by TLS. */
  readonly requests: ReadonlyMap<number, number>;
  readonly #brokers: readonly Broker[];

  private constructor(
    brokers: readonly Broker[],
    reach: Pick<KafkaBrokers, 'addresses' | 'secure' | 'requests'>,
  ) {
    this.#brokers = brokers;
    this.addresses = reach.addresses;
    this.secure = reach.secure;
    this.requests = reach.requests;
  }

  /**
   * undefined: the jars are missing. Data of an earlier run in `directory` is used again.
   *
   * @param host address by which clients reach the brokers
   */
  static async start(
    count: number,
    directory: string,
    cache: string,
    host = localhost,
  ): Promise<KafkaBrokers | undefined> {
    const jars = installJars(cache);
    if (jars === undefined) return undefined;
    const ports = await freePorts(5 * count);
    const of = (kind: number): number[] => ports.slice(kind * count, (kind + 1) * count);
    const [clientPorts, innerPorts, controllerPorts, linkPorts, securePorts] = [0, 1, 2, 3, 4].map(of);
    const identity = makeIdentity(path.join(directory, 'kafka-tls'));
    const voters = controllerPorts.map((port, i) => `${i + 1}@127.0.0.1:${port}`).join(',');
    const requests = new Map<number, number>();
    const onRequest = (key: number): void => void requests.set(key, (requests.get(key) ?? 0) + 1);
    const brokers = clientPorts.map((port, i): Broker => {
      const data = path.join(directory, `kafka-${i + 1}`);
      const file = `${data}.properties`;
      fs.mkdirSync(data, { recursive: true });
      fs.writeFileSync(
        file,
        properties({
          id: i + 1,
          count,
          data,
          voters,
          client: port,
          inner: innerPorts[i],
          controller: controllerPorts[i],
          link: `${host}:${linkPorts[i]}`,
          secure: identity && { port: securePorts[i], keystore: identity.keystore },
        }),
      );
      const quiet = '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn';
      const java = ['java', '-cp', `${jars}/*`, quiet];
      execFileSync(
        java[0],
        [
          ...java.slice(1),
          '-Xmx64m',
          'kafka.tools.StorageTool',
          'format',
          '--ignore-formatted',
          '-t',
          clusterId,
          '-c',
          file,
          ...scramMechanisms.flatMap((name) => [
            '--add-scram',
            `${name}=[name=${kafkaUser},password=${kafkaPassword}]`,
          ]),
        ],
        { stdio: 'ignore' },
      );
      const daemon = new Daemon(`kafka-${i + 1}`, `${data}.log`, [
        ...java,
        '-Xms256m',
        '-Xmx256m',
        '-XX:+UseSerialGC',
        'kafka.Kafka',
        file,
      ]);
      return { daemon, port, link: new Link(port, () => new ProduceAnswers(onRequest)) };
    });
    const secure = identity && { addresses: addressesOf(securePorts), ca: identity.ca };
    const addresses = addressesOf(linkPorts, host);
    const kafka = new KafkaBrokers(brokers, { addresses, secure, requests });
    await Promise.all(brokers.map(({ link }, i) => link.listen(linkPorts[i], host)));
    await Promise.all(brokers.map(({ daemon, port }) => daemon.start(port)));
    return kafka;
  }

  /** SIGKILL; brokers count from 1. */
  async kill(broker: number): Promise<void> {
    await this.#broker(broker).daemon.stop('SIGKILL');
  }

  async revive(broker: number): Promise<void> {
    const { daemon, port } = this.#broker(broker);
    await daemon.start(port);
  }

  link(broker: number, mode: LinkMode): void {
    this.#broker(broker).link.mode = mode;
  }

  /** Cuts off one in this many answers to Produce, at all brokers; resolves after `count` of them. */
  async cutProduceAnswers(count: number, every: number): Promise<void> {
    const share = Math.ceil(count / this.#brokers.length);
    await Promise.all(this.#brokers.map(({ link }) => link.cutAnswers({ count: share, every })));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#brokers.map(({ link }) => link.close()));
    await Promise.all(this.#brokers.map(({ daemon }) => daemon.stop('SIGKILL')));
  }

  #broker(number: number): Broker {
    const broker = this.#brokers[number - 1];
    if (!broker) throw new RangeError(`broker ${number} of ${this.#brokers.length}`);
    return broker;
  }
}

export interface SecureAddresses {
  readonly addresses: string;
  /** Path of the authority's certificate. */
  readonly ca: string;
}

export const kafkaUser = 'loki';
export const kafkaPassword = 'not a secret';
const scramMechanisms = ['SCRAM-SHA-256', 'SCRAM-SHA-512'];

function addressesOf(ports: readonly number[], host = localhost): string {
  return ports.map((port) => `${host}:${port}`).join(',');
}

/** Key and certificate of 127.0.0.1 and their authority; undefined: there is no openssl. */
function makeIdentity(directory: string): { keystore: string; ca: string } | undefined {
  if (!has('openssl')) return undefined;
  const at = (name: string): string => path.join(directory, name);
  certify(directory, 'ca', ['broker']);
  const keystore = fs.readFileSync(at('broker.key'), 'utf8') + fs.readFileSync(at('broker.crt'), 'utf8');
  fs.writeFileSync(at('keystore.pem'), keystore, { mode: 0o600 });
  return { keystore: at('keystore.pem'), ca: at('ca.crt') };
}

/** Names the program that is missing to run Kafka; undefined: none. */
export function kafkaLacks(cache: string): string | undefined {
  if (!has('java')) return 'java 17 or newer is needed';
  return isInstalled(cache) || has('mvn') ? undefined : 'mvn is needed, once, to fetch it from Maven Central';
}

function isInstalled(cache: string): boolean {
  return fs.existsSync(path.join(cache, `kafka-${version}`, '.complete'));
}

/** Kafka's jars from Maven Central, kept between runs. */
export function installJars(cache: string): string | undefined {
  const directory = path.join(cache, `kafka-${version}`);
  if (isInstalled(cache)) return directory;
  const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-kafka-'));
  const dependency = (group: string, artifact: string, of: string): string =>
    `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${of}</version></dependency>`;
  fs.writeFileSync(
    path.join(temporary, 'pom.xml'),
    `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>local</groupId>
<artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging><dependencies>
${dependency('org.apache.kafka', 'kafka_2.13', version)}
${dependency('org.slf4j', 'slf4j-simple', '1.7.36')}
</dependencies></project>`,
  );
  try {
    execFileSync(
      'mvn',
      [
        '-q',
        '-B',
        '-f',
        path.join(temporary, 'pom.xml'),
        'dependency:copy-dependencies',
        '-DincludeScope=runtime',
        `-DoutputDirectory=${directory}`,
      ],
      { stdio: ['ignore', 'inherit', 'inherit'], timeout: fetchTimeoutMs },
    );
  } catch {
    return undefined; // mvn has printed the reason.
  } finally {
    fs.rmSync(temporary, { recursive: true });
  }
  fs.writeFileSync(path.join(directory, '.complete'), '');
  return directory;
}

function has(command: string): boolean {
  return (process.env['PATH'] ?? '')
    .split(':')
    .some((directory) => fs.existsSync(path.join(directory, command)));
}

interface BrokerPlace {
  readonly id: number;
  readonly count: number;
  readonly data: string;
  readonly voters: string;
  readonly client: number;
  readonly inner: number;
  readonly controller: number;
  /** `host:port` by which clients reach it. */
  readonly link: string;
  /** The listener with authentication. */
  readonly secure: { readonly port: number; readonly keystore: string } | undefined;
}

function properties(place: BrokerPlace): string {
  const { secure } = place;
  const own = secure ? `,SECURE://127.0.0.1:${secure.port}` : '';
  const replicas = place.count >= 3 ? 3 : 1;
  const inSync = place.count >= 3 ? 2 : 1;
  return `process.roles=broker,controller
node.id=${place.id}
controller.quorum.voters=${place.voters}
listeners=CLIENT://127.0.0.1:${place.client},INNER://127.0.0.1:${place.inner},CONTROLLER://127.0.0.1:${place.controller}${own}
advertised.listeners=CLIENT://${place.link},INNER://127.0.0.1:${place.inner}${own}
listener.security.protocol.map=CLIENT:PLAINTEXT,INNER:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL
${secure ? secureProperties(secure.keystore) : ''}inter.broker.listener.name=INNER
controller.listener.names=CONTROLLER
log.dirs=${place.data}
default.replication.factor=${replicas}
min.insync.replicas=${inSync}
offsets.topic.replication.factor=${replicas}
offsets.topic.num.partitions=4
auto.create.topics.enable=false
message.max.bytes=16777216
replica.fetch.max.bytes=16777216
broker.session.timeout.ms=6000
controller.quorum.election.timeout.ms=1000
controller.quorum.fetch.timeout.ms=2000
num.network.threads=2
num.io.threads=4
`;
}

function secureProperties(keystore: string): string {
  const jaas = 'listener.name.secure';
  const scram = 'org.apache.kafka.common.security.scram.ScramLoginModule required;';
  const plain = `org.apache.kafka.common.security.plain.PlainLoginModule required user_${kafkaUser}="${kafkaPassword}";`;
  return `sasl.enabled.mechanisms=PLAIN,${scramMechanisms.join()}
${jaas}.plain.sasl.jaas.config=${plain}
${scramMechanisms.map((name) => `${jaas}.${name.toLowerCase()}.sasl.jaas.config=${scram}`).join('\n')}
ssl.keystore.type=PEM
ssl.keystore.location=${keystore}
`;
}
