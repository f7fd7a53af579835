import { assert, assertEquals } from "@std/assert";
import { FakeSocket } from "../testing/fake_socket.ts";
import { setTimeout as delay } from "node:timers/promises";
import { KiB, MiB } from "../shared/units.ts";
import { SharedMemory } from "./backlog.ts";
import { Outbox } from "./outbox.ts";

/** After so many milliseconds, an outbox has looked whether its peer is quiet. */
const LOOK = 450;

/** Makes an outbox with 512 MiB, or with the given memory. */
function makeOutbox(memory: SharedMemory = new SharedMemory(512 * MiB, 1)) {
  const socket = new FakeSocket();
  const outbox = new Outbox(socket as unknown as WebSocket, memory);
  /** Sends messages until they are not echoed, and counts the echoes. */
  const fill = (message: string | number) => {
    for (let i = 0; i < 600_000 && socket.sent === i; i++) {
      outbox.send(
        typeof message === "string" ? message : new ArrayBuffer(message),
      );
    }
    return socket.sent;
  };
  return { socket, outbox, memory, fill };
}

const CUT_OFF = [1008, "Too many echoes were not read"];

Deno.test("Outbox cuts off a peer that does not read, and closes when it has", async () => {
  const { socket, outbox, fill } = makeOutbox();
  assertEquals(fill(MiB), 103);
  assertEquals(socket.closes, []);
  socket.bufferedAmount = 0;
  outbox.send("never echoed");
  assertEquals(socket.sent, 103);
  await socket.untilClosed();
  assertEquals(socket.closes, [CUT_OFF]);
});

Deno.test("Outbox counts each message, and a text by its bytes", async () => {
  for (const message of ["20 bytes of any text", "", "\u20ac".repeat(300)]) {
    const { socket, fill } = makeOutbox();
    const size = KiB + new TextEncoder().encode(message).length;
    const share = (512 * MiB - 8 * KiB) / 5;
    assertEquals(fill(message), Math.floor(share / size) + 1, message);
    await socket.untilClosed();
  }
});

Deno.test("Outbox gives memory back when a peer that was cut off has read", async () => {
  const { socket, memory, fill } = makeOutbox();
  assertEquals(fill(MiB), 103);
  assert(memory.used > 100 * MiB);
  await socket.untilClosed();
  // It does not answer the close, and takes no memory.
  assertEquals(memory.used, 0);
});

Deno.test("Outbox keeps no count of a peer that has read", () => {
  const { socket, outbox } = makeOutbox();
  for (let i = 0; i < 1000; i++) {
    outbox.send(new ArrayBuffer(MiB));
    socket.bufferedAmount = 0;
  }
  assertEquals(socket.sent, 1000);
});

Deno.test("Outbox frees the bytes of every message at once", async () => {
  const { socket, outbox } = makeOutbox();
  for (const length of [0, 1, MiB]) {
    for (const buffered of [0, 1, 513 * MiB]) {
      const data = new ArrayBuffer(length);
      socket.bufferedAmount = buffered;
      outbox.send(data);
      assertEquals(data.detached, true);
    }
  }
  await socket.untilClosed();
});

Deno.test("Outbox closes a peer that was cut off and goes on sending", async () => {
  for (const message of ["20 bytes of any text", new ArrayBuffer(100)]) {
    const { socket, outbox, fill } = makeOutbox();
    fill(MiB);
    let count = 0;
    for (; socket.closes.length === 0; count++) {
      outbox.send(typeof message === "string" ? message : message.slice());
    }
    // The message that was not echoed any more counts, too.
    const size = KiB + (typeof message === "string" ? 3 * 20 : 100);
    assertEquals(count, Math.floor((127 * MiB - KiB) / size) + 1);
    assertEquals(socket.closes, [[1008]]);
    socket.end();
    await delay(LOOK);
  }
});

Deno.test("Outbox closes a peer that was cut off when it is quiet", async () => {
  const { socket, outbox, fill } = makeOutbox();
  fill(MiB);
  socket.bufferedAmount = 0;
  const noise = setInterval(() => outbox.send(""), 10);
  await delay(600);
  assertEquals(socket.closes, []);
  clearInterval(noise);
  await socket.untilClosed();
  assertEquals(socket.closes, [CUT_OFF]);
});

Deno.test("Outbox gives memory up unless the connection ended well, or TCP did", async () => {
  const sockets: FakeSocket[] = [];
  for (
    const [message, wasClean, lost] of [
      [undefined, true, 0],
      ["Broken pipe (os error 32)", false, 0],
      ["Connection reset by peer (os error 104)", false, 0],
      ["\u041f (os error 32)", false, 0],
      ["\u041f (os error 54)", false, 0],
      ["\u041f (os error 104)", false, 0],
      ["\u041f (os error 10053)", false, 0],
      ["\u041f (os error 10054)", false, 0],
      ["Failed to send frame", false, 0],
      ["Unexpected EOF", false, 103 * MiB],
      ["Invalid value", false, 103 * MiB],
      ["Ping frame too large", false, 103 * MiB],
      [undefined, false, 103 * MiB],
    ] as const
  ) {
    const { socket, memory, fill } = makeOutbox();
    fill(MiB);
    if (message !== undefined) {
      socket.dispatchEvent(new ErrorEvent("error", { message }));
    }
    socket.end(wasClean);
    assertEquals([memory.used, memory.lost], [0, lost], message);
    sockets.push(socket);
  }
  await delay(LOOK);
  for (const { closes } of sockets) assertEquals(closes, []);
});

const SHUT_DOWN = [[1001, "Server shutting down"]];

Deno.test("shutDown() closes a quiet connection after 200 ms, and waits for its end", async () => {
  const { socket, outbox } = makeOutbox();
  const start = performance.now();
  let done = false;
  const closed = outbox.shutDown().then(() => done = true);
  await socket.untilClosed();
  const time = performance.now() - start;
  assertEquals(socket.closes, SHUT_DOWN);
  assert(time >= 199 && time < 700, `It took ${time} ms`);
  assertEquals(done, false);
  socket.end();
  await closed;
});

Deno.test("shutDown() lets a peer that pauses finish, with echoes", async () => {
  const { socket, outbox } = makeOutbox();
  const noise = setInterval(() => outbox.send(""), 20);
  outbox.shutDown();
  await delay(600);
  clearInterval(noise);
  assertEquals(socket.closes, []);
  const { sent } = socket;
  assert(sent > 5, `${sent} echoes`);
  await socket.untilClosed();
  assertEquals(socket.closes, SHUT_DOWN);
  socket.end();
});

Deno.test("shutDown() stops the echoes after 1 s, and waits for quiet for 1 s more", async () => {
  const { socket, outbox } = makeOutbox();
  const start = performance.now();
  let lastEcho = 0;
  const noise = setInterval(() => {
    const { sent } = socket;
    outbox.send("");
    if (socket.sent > sent) lastEcho = performance.now() - start;
  }, 10);
  outbox.shutDown();
  await socket.untilClosed();
  clearInterval(noise);
  const time = performance.now() - start;
  assert(lastEcho >= 900 && lastEcho < 1500, `Echoes until ${lastEcho} ms`);
  assert(time >= 1999 && time < 2900, `It took ${time} ms`);
  assertEquals(socket.closes, SHUT_DOWN);
  socket.end();
});

Deno.test("shutDown() closes soon after a peer that waits for echoes gets none", async () => {
  const { socket, outbox } = makeOutbox();
  const start = performance.now();
  // It sends as soon as the last echo is there.
  const noise = setInterval(() => {
    if (socket.sent > 0) outbox.send("");
    else clearInterval(noise);
    socket.sent--;
  }, 5);
  outbox.send("");
  outbox.shutDown();
  await socket.untilClosed();
  const time = performance.now() - start;
  assert(time >= 1199 && time < 1900, `It took ${time} ms`);
  assertEquals(socket.closes, SHUT_DOWN);
  socket.end();
});

Deno.test("shutDown() waits until everything is read", async () => {
  const { socket, outbox } = makeOutbox();
  outbox.send("Hello!");
  outbox.shutDown();
  await delay(500);
  assertEquals(socket.closes, []);
  // A peer that is quiet still gets an echo.
  outbox.send("One more");
  assertEquals(socket.sent, 2);
  await socket.untilClosed();
  assertEquals(socket.closes, SHUT_DOWN);
  socket.end();
});
