import { assert, assertEquals } from "@std/assert";
import { test } from "../testing/declare.ts";
import { closeWhenQuiet, closeWhenRead } from "./close.ts";

/** A socket that notes when it was closed. */
class StillSocket extends EventTarget {
  bufferedAmount = 0;
  closed: unknown[] | undefined;

  close(...args: unknown[]): void {
    this.closed = args;
  }
}

function makeSocket() {
  const still = new StillSocket();
  return { still, socket: still as unknown as WebSocket };
}

function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

test("closeWhenRead() closes at once when nothing waits", async () => {
  const { still, socket } = makeSocket();
  const closed = closeWhenRead(socket, 1008, "reason");
  assertEquals(still.closed, [1008, "reason"]);
  await closed;
}, { permissions: false });

test("closeWhenRead() waits until everything is read", async () => {
  const { still, socket } = makeSocket();
  still.bufferedAmount = 1;
  const closed = closeWhenRead(socket, 1008, "reason");
  await delay(100);
  assertEquals(still.closed, undefined);
  still.bufferedAmount = 0;
  await closed;
  assertEquals(still.closed, [1008, "reason"]);
}, { permissions: false });

test("closeWhenQuiet() closes a quiet connection after 200 ms", async () => {
  const { still, socket } = makeSocket();
  const start = performance.now();
  await closeWhenQuiet(socket, 1001, "reason");
  const time = performance.now() - start;
  assertEquals(still.closed, [1001, "reason"]);
  assert(time >= 199 && time < 700, `It took ${time} ms`);
}, { permissions: false });

test(
  "closeWhenQuiet() waits for 1 s at most when it is never quiet",
  async () => {
    const { still, socket } = makeSocket();
    const noise = setInterval(() => {
      still.dispatchEvent(new Event("message"));
    }, 5);
    const start = performance.now();
    const closed = closeWhenQuiet(socket, 1001, "reason");
    await delay(500);
    assertEquals(still.closed, undefined);
    await closed;
    clearInterval(noise);
    const time = performance.now() - start;
    assert(time >= 999 && time < 2000, `It took ${time} ms`);
  },
  { permissions: false },
);

test("closeWhenQuiet() closes soon after the last message", async () => {
  const { still, socket } = makeSocket();
  const closed = closeWhenQuiet(socket, 1001, "reason");
  const start = performance.now();
  await delay(150);
  still.dispatchEvent(new Event("message"));
  await closed;
  const time = performance.now() - start;
  assert(time >= 349 && time < 950, `It took ${time} ms`);
}, { permissions: false });

test("closeWhenQuiet() waits until everything is read, too", async () => {
  const { still, socket } = makeSocket();
  still.bufferedAmount = 1;
  const closed = closeWhenQuiet(socket, 1001, "reason");
  await delay(300);
  assertEquals(still.closed, undefined);
  still.bufferedAmount = 0;
  await closed;
}, { permissions: false });
