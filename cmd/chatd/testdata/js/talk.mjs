// How a script and the Go test that runs it talk: one JSON value a line.
import { createInterface } from "node:readline";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

export const say = (value) => process.stdout.write(JSON.stringify(value) + "\n");

// hear returns the test's next word; when there is none the test is over.
export async function hear() {
  const { value, done } = await lines.next();
  if (done) process.exit(0);
  return JSON.parse(value);
}
