import { assert, assertEquals } from "@std/assert";
import { FakeSocket } from "../testing/fake_socket.ts";
import { test } from "../testing/declare.ts";
import { closeWhenQuiet, closeWhenRead } from "./close.ts";
import { delay } from "../testing/time.ts";

function makeSocket() {
  const fake = new FakeSocket();
  return { fake, socket: fake as unknown as WebSocket };
}

test("closeWhenRead() closes at once when nothing waits", async () => {
  const { fake, socket } = makeSocket();
  const closed = closeWhenRead(socket, 1008, "reason");
  assertEquals(fake.closes, [[1008, "reason"]]);
  await closed;
}, { permissions: false });

test("closeWhenRead() waits until everything is read", async () => {
  const { fake, socket } = makeSocket();
  fake.bufferedAmount = 1;
  const closed = closeWhenRead(socket, 1008, "reason");
  await delay(100);
  assertEquals(fake.closes, []);
  fake.bufferedAmount = 0;
  await closed;
  assertEquals(fake.closes, [[1008, "reason"]]);
}, { permissions: false });

test("closeWhenQuiet() closes a quiet connection after 200 ms", async () => {
  const { fake, socket } = makeSocket();
  const start = performance.now();
  await closeWhenQuiet(socket, 1001, "reason");
  const time = performance.now() - start;
  assertEquals(fake.closes, [[1001, "reason"]]);
  assert(time >= 199 && time < 700, `It took ${time} ms`);
}, { permissions: false });

test(
  "closeWhenQuiet() waits for 1 s at most when it is never quiet",
  async () => {
    const { fake, socket } = makeSocket();
    const noise = setInterval(() => {
      fake.receive("");
    }, 5);
    const start = performance.now();
    const closed = closeWhenQuiet(socket, 1001, "reason");
    await delay(500);
    assertEquals(fake.closes, []);
    await closed;
    clearInterval(noise);
    const time = performance.now() - start;
    assert(time >= 999 && time < 2000, `It took ${time} ms`);
  },
  { permissions: false },
);

test("closeWhenQuiet() closes soon after the last message", async () => {
  const { fake, socket } = makeSocket();
  const closed = closeWhenQuiet(socket, 1001, "reason");
  const start = performance.now();
  await delay(150);
  fake.receive("");
  await closed;
  const time = performance.now() - start;
  assert(time >= 349 && time < 950, `It took ${time} ms`);
}, { permissions: false });

test("closeWhenQuiet() waits until everything is read, too", async () => {
  const { fake, socket } = makeSocket();
  fake.bufferedAmount = 1;
  const closed = closeWhenQuiet(socket, 1001, "reason");
  await delay(300);
  assertEquals(fake.closes, []);
  fake.bufferedAmount = 0;
  await closed;
}, { permissions: false });
