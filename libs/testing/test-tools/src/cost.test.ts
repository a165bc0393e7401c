/** Protects tests of costs: they notice a cost that grows with the square, and pass one that does not. */
import { expectCost, expectCostGrowth, unitOfCost } from './cost.ts';

/** Kept from the optimiser. */
let sum = 0;

const linear = (size: number) => () => {
  for (let i = 0; i < size * 100; i++) sum += i % 7;
};
const square = (size: number) => () => {
  for (let i = 0; i < size; i++) for (let j = 0; j < size; j++) sum += (i ^ j) % 7;
};

test('a linear work passes, and so does one whose input alone is made in the square of the time', async () => {
  await expectCostGrowth(linear, { small: 1_000, large: 16_000 });
  const prepare = (size: number) => {
    square(size)();
    return linear(size);
  };
  await expectCostGrowth(prepare, { small: 200, large: 3_200 });
});

test('a work that grows with the square is refused, with its figures', async () => {
  await expect(expectCostGrowth(square, { small: 200, large: 6_400 })).rejects.toThrow(
    /^costs [0-9.]+ times the reference, 128 allowed: [0-9.]+ and [0-9.]+ ms of CPU$/,
  );
});

test('a constant cost may be demanded', async () => {
  const constant = () => linear(1_000);
  await expectCostGrowth(constant, { small: 1, large: 1_000, timesMax: 10 });
  await expect(expectCostGrowth(linear, { small: 100, large: 10_000, timesMax: 10 })).rejects.toThrow(
    'costs',
  );
});

test('an asynchronous work is measured to its end', async () => {
  const late = (size: number) => async () => {
    await Promise.resolve();
    square(size)();
  };
  await expect(expectCostGrowth(late, { small: 100, large: 3_200 })).rejects.toThrow('costs');
});

test('a disturbance that has passed is forgiven', async () => {
  let runs = 0;
  const disturbed = () => linear(runs++ < 2 ? 1_000_000 : 1_000);
  await expectCost(disturbed, () => linear(1_000), { timesMax: 8 });
});

test('a work of fixed cost is compared with the unit', async () => {
  await expectCost(unitOfCost, unitOfCost, { timesMax: 4 });
  await expect(expectCost(() => square(20_000), unitOfCost, { timesMax: 4, rounds: 2 })).rejects.toThrow(
    'costs',
  );
});
