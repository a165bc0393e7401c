/** Connections that break in place of an answer: the work is done, and the client does not know. */
import { wait } from './fault.ts';
import type { FaultWorld } from './fault.ts';

/** Answers that one run of a fault cuts off. */
const cutsPerRun = 50;
const cutWithinMs = 45_000;
/**
 * One in this many answers of a broker is cut off: a retry that is cut off every time would never succeed.
 */
const everyProduce = 3;

/** Kafka has stored the records, and the distributor gets no answer. */
export async function cutProduce(world: FaultWorld): Promise<string> {
  const { kafka } = world.system.services;
  await untilCut(world, kafka.cutProduceAnswers(cutsPerRun, everyProduce));
  return `${cutsPerRun} answers of brokers`;
}

/**
 * A gateway has answered 204, and the client does not get it. The client repeats the push at the other
 * gateway.
 */
export async function cutPush(world: FaultWorld): Promise<string> {
  const { system, random } = world;
  const number = random.int(0, system.gatewayLinks.length - 1);
  await untilCut(world, system.gatewayLinks[number].cutAnswers({ count: cutsPerRun, every: 1 }));
  return `${cutsPerRun} answers of gateway ${number + 1}`;
}

async function untilCut(world: FaultWorld, cut: Promise<void>): Promise<void> {
  let isCut = false;
  void cut.then(() => (isCut = true));
  for (let waitedMs = 0; !isCut; waitedMs += 50) {
    if (waitedMs > cutWithinMs) throw new Error(`fewer than ${cutsPerRun} answers came to be cut off`);
    await wait(world, 50);
  }
}
