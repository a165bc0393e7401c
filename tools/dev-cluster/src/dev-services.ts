/** Starts and finds the services of the development cluster. */
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { serviceNames, startServices } from '@loki/services';
import type { ServiceName, Services } from '@loki/services';

/** Environment variables that tell processes of development where the services are. */
export type ServiceVariables = Readonly<Record<string, string>>;

interface DevServices {
  readonly variables: ServiceVariables;
  stop(): Promise<void>;
}

const lookMs = 500;

/**
 * Kafka, Redis and MinIO with their data below `data`, which the next start uses again; a file there tells
 * other terminals their addresses.
 *
 * @throws when Kafka or Redis is missing
 */
export async function startDevServices(
  data: string,
  brokers: number,
  names: readonly ServiceName[] = serviceNames,
): Promise<DevServices> {
  console.log(`starting ${names.join(', ')} …`);
  const directory = path.join(data, 'services');
  const services = await startServices({
    directory,
    names: new Set(names),
    brokers,
    say: (text) => console.log(text),
  });
  if (services.kafka === undefined || services.redis === undefined) {
    await services.stop();
    throw new Error('Kafka or Redis is missing: see above, or set KAFKA_BROKERS and REDIS_ENDPOINT');
  }
  const variables = variablesOf(services);
  const file = announcement(data);
  fs.writeFileSync(file, `${JSON.stringify(variables, undefined, 2)}\n`);
  return {
    variables,
    async stop() {
      fs.rmSync(file, { force: true });
      await services.stop();
    },
  };
}

/** Running services: those of the environment, else announced ones that answer; undefined: none. */
export async function findDevServices(data: string): Promise<ServiceVariables | undefined> {
  const { KAFKA_BROKERS, REDIS_ENDPOINT } = process.env;
  if (KAFKA_BROKERS && REDIS_ENDPOINT) return {}; // inherited
  let text: string;
  try {
    text = fs.readFileSync(announcement(data), 'utf8');
  } catch {
    return undefined;
  }
  const variables = JSON.parse(text) as ServiceVariables;
  const addresses = [variables['REDIS_ENDPOINT'], variables['KAFKA_BROKERS'].split(',')[0]];
  const answers = await Promise.all(addresses.map(isListening));
  return answers.every(Boolean) ? variables : undefined;
}

/** Like `findDevServices`; waits for services that another terminal is about to start. */
export async function waitForDevServices(data: string, waitMs: number): Promise<ServiceVariables> {
  const deadlineMs = Date.now() + waitMs;
  let isTold = false;
  for (;;) {
    const services = await findDevServices(data);
    if (services) return services;
    if (Date.now() > deadlineMs) {
      throw new Error(
        'there are no services: run `npm run dev:services` in another terminal, or set KAFKA_BROKERS and REDIS_ENDPOINT',
      );
    }
    if (!isTold) console.log('waiting for Kafka and Redis (`npm run dev:services` starts them) …');
    isTold = true;
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
}

function variablesOf({ kafka, redis, s3 }: Services): ServiceVariables {
  return {
    KAFKA_BROKERS: kafka!,
    REDIS_ENDPOINT: redis!,
    ...(s3
      ? {
          LOKI_OBJECT_STORE: 's3',
          S3_ENDPOINT: s3.endpoint,
          S3_BUCKET: s3.bucket,
          S3_ACCESS_KEY: s3.accessKeyId,
          S3_SECRET_KEY: s3.secretAccessKey,
        }
      : {}),
  };
}

function announcement(data: string): string {
  return path.join(data, 'services.json');
}

function isListening(address: string): Promise<boolean> {
  const colon = address.lastIndexOf(':');
  return new Promise((resolve) => {
    const socket = net.connect({ host: address.slice(0, colon), port: Number(address.slice(colon + 1)) });
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
