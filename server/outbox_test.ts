import { assert, assertEquals } from "@std/assert";
import { setTimeout as delay } from "node:timers/promises";
import { FakeSocket } from "../testing/fake_socket.ts";
import { Outbox } from "./outbox.ts";
import { SharedMemory } from "./send_queue.ts";
import { KiB, MiB } from "./units.ts";

const WAITS = { timeout: 60_000 };

/** After so many milliseconds, an outbox has looked whether its peer is quiet. */
const LOOK = 450;

/** How many messages of a MiB one peer gets: a fifth of the memory, and a few. */
const SHARE = 103;

/** Makes an outbox with 512 MiB, which ends when it goes out of scope. */
function makeOutbox() {
  const memory = new SharedMemory(512 * MiB);
  const socket = new FakeSocket();
  const outbox = new Outbox(socket as unknown as WebSocket, memory);
  const noises: ReturnType<typeof setInterval>[] = [];
  return {
    socket,
    outbox,
    memory,
    /** Sends messages until they are not echoed, and counts the echoes. */
    fill(message: string | number) {
      for (let i = 0; i < 600_000 && socket.sent === i; i++) {
        outbox.send(
          typeof message === "string" ? message : new ArrayBuffer(message),
        );
      }
      return socket.sent;
    },
    /** Does something every few milliseconds until the function returned ends it. */
    repeat(act: () => void, interval: number) {
      const noise = setInterval(act, interval);
      noises.push(noise);
      return () => clearInterval(noise);
    },
    async [Symbol.asyncDispose]() {
      for (const noise of noises) clearInterval(noise);
      socket.end();
      await delay(LOOK); // until its waits are over
    },
  };
}

const CUT_OFF = [1008, "Too many echoes were not read"];

Deno.test(
  "Outbox cuts off a peer that does not read, and closes when it has",
  WAITS,
  async () => {
    await using made = makeOutbox();
    const { socket, outbox, fill } = made;
    assertEquals(fill(MiB), SHARE);
    assertEquals(socket.closes, []);
    socket.bufferedAmount = 0;
    outbox.send("never echoed");
    assertEquals(socket.sent, SHARE, "it was echoed");
    await socket.untilClosed();
    assertEquals(socket.closes, [CUT_OFF]);
  },
);

Deno.test(
  "Outbox does not close a peer that was cut off and has not read",
  WAITS,
  async () => {
    await using made = makeOutbox();
    const { socket, fill } = made;
    fill(MiB);
    await delay(LOOK);
    assertEquals(socket.closes, []);
  },
);

Deno.test(
  "Outbox counts each message, and a text by its bytes",
  WAITS,
  async () => {
    for (const message of ["20 bytes of any text", "\u20ac".repeat(300)]) {
      await using made = makeOutbox();
      const size = KiB + new TextEncoder().encode(message).length;
      const count = made.fill(message);
      // A fifth of the memory, and what is sent until it is counted again.
      const [least, most] = [512 / 5, 512 / 5 + 4]
        .map((share) => Math.ceil(share * MiB / size));
      assert(
        count >= least! && count <= most! + 1,
        `"${message}": ${count} echoes, not from ${least} to ${most}`,
      );
    }
  },
);

Deno.test(
  "Outbox gives memory back when a peer that was cut off has read",
  WAITS,
  async () => {
    await using made = makeOutbox();
    const { socket, memory, fill } = made;
    fill(MiB);
    assert(memory.waiting > 100 * MiB, `${memory.waiting} bytes wait`);
    await socket.untilClosed();
    // It does not answer the close, and takes no memory.
    memory.count();
    assertEquals(memory.waiting, 0);
  },
);

Deno.test(
  "Outbox gives memory back however the connection ended",
  WAITS,
  async () => {
    for (const wasClean of [true, false]) {
      await using made = makeOutbox();
      const { socket, memory, fill } = made;
      fill(MiB);
      socket.end(wasClean);
      memory.count();
      assertEquals(memory.waiting, 0, `wasClean: ${wasClean}`);
      await delay(LOOK);
      assertEquals(socket.closes, [], `wasClean: ${wasClean}`);
    }
  },
);

Deno.test("Outbox keeps no count of a peer that has read", WAITS, async () => {
  await using made = makeOutbox();
  const { socket, outbox } = made;
  for (let i = 0; i < 1000; i++) {
    outbox.send(new ArrayBuffer(MiB));
    socket.bufferedAmount = 0;
  }
  assertEquals(socket.sent, 1000);
});

Deno.test(
  "Outbox frees the bytes of every message at once",
  WAITS,
  async () => {
    await using made = makeOutbox();
    const { socket, outbox } = made;
    for (const length of [0, 1, MiB]) {
      for (const buffered of [0, 1, 513 * MiB]) {
        const data = new ArrayBuffer(length);
        socket.bufferedAmount = buffered;
        outbox.send(data);
        assert(data.detached, `${length} B, ${buffered} B buffered`);
      }
    }
  },
);

for (
  const [kind, message, bytes] of [
    ["texts of 20 characters", "20 bytes of any text", 20],
    ["messages of 100 bytes", new ArrayBuffer(100), 100],
  ] as const
) {
  Deno.test(
    `Outbox closes a peer that was cut off and sends another 128 MiB in ${kind}`,
    WAITS,
    async () => {
      await using made = makeOutbox();
      const { socket, outbox, memory, fill } = made;
      fill(MiB);
      let count = 0;
      for (; socket.closes.length === 0; count++) {
        outbox.send(typeof message === "string" ? message : message.slice());
      }
      // The message that was not echoed any more counts, too: 1 MiB and 1 KiB.
      const expected = Math.floor((127 * MiB - KiB) / (KiB + bytes)) + 1;
      assertEquals(count, expected, "messages until it was closed");
      assertEquals(socket.closes, [[1008]]);
      // It may never answer the close, and takes no memory.
      memory.count();
      assertEquals(memory.waiting, 0);
    },
  );
}

Deno.test(
  "Outbox closes a peer that was cut off when it is quiet",
  WAITS,
  async () => {
    await using made = makeOutbox();
    const { socket, outbox, fill, repeat } = made;
    fill(MiB);
    socket.bufferedAmount = 0;
    const stop = repeat(() => outbox.send(""), 10);
    await delay(600);
    assertEquals(socket.closes, [], "it is not quiet yet");
    stop();
    await socket.untilClosed();
    assertEquals(socket.closes, [CUT_OFF]);
  },
);

const SHUT_DOWN = [[1001, "Server shutting down"]];

Deno.test(
  "shutDown() closes a quiet connection after 200 ms, and waits for its end",
  WAITS,
  async () => {
    await using made = makeOutbox();
    const { socket, outbox } = made;
    const start = performance.now();
    let done = false;
    const closed = outbox.shutDown().then(() => done = true);
    await socket.untilClosed();
    const time = performance.now() - start;
    assertEquals(socket.closes, SHUT_DOWN);
    assert(time >= 199 && time < 900, `It took ${time} ms`);
    assertEquals(done, false, "it did not wait for the end");
    socket.end();
    await closed;
  },
);

Deno.test(
  "shutDown() lets a peer that pauses finish, with echoes",
  WAITS,
  async () => {
    await using made = makeOutbox();
    const { socket, outbox, repeat } = made;
    const stop = repeat(() => outbox.send(""), 20);
    outbox.shutDown();
    await delay(600);
    stop();
    assertEquals(socket.closes, []);
    assert(socket.sent > 2, `${socket.sent} echoes`);
    await socket.untilClosed();
    assertEquals(socket.closes, SHUT_DOWN);
  },
);

Deno.test(
  "shutDown() stops the echoes after 1 s, and waits for quiet for 1 s more",
  WAITS,
  async () => {
    await using made = makeOutbox();
    const { socket, outbox, repeat } = made;
    const start = performance.now();
    let lastEcho = 0;
    repeat(() => {
      const { sent } = socket;
      outbox.send("");
      if (socket.sent > sent) lastEcho = performance.now() - start;
    }, 10);
    outbox.shutDown();
    await socket.untilClosed();
    const time = performance.now() - start;
    assert(lastEcho >= 800 && lastEcho < 1900, `Echoes until ${lastEcho} ms`);
    assert(time >= 1999 && time < 3500, `It took ${time} ms`);
    assertEquals(socket.closes, SHUT_DOWN);
  },
);

Deno.test(
  "shutDown() closes soon after a peer that waits for echoes gets none",
  WAITS,
  async () => {
    await using made = makeOutbox();
    const { socket, outbox, repeat } = made;
    const start = performance.now();
    // It sends as soon as the last echo is there.
    let answered = 0;
    repeat(() => {
      if (socket.sent === answered) return;
      answered = socket.sent;
      outbox.send("");
    }, 5);
    outbox.send("");
    outbox.shutDown();
    await socket.untilClosed();
    const time = performance.now() - start;
    assert(time >= 1199 && time < 1950, `It took ${time} ms`);
    assertEquals(socket.closes, SHUT_DOWN);
  },
);

Deno.test("shutDown() waits until everything is read", WAITS, async () => {
  await using made = makeOutbox();
  const { socket, outbox } = made;
  outbox.send("Hello!");
  outbox.shutDown();
  await delay(500);
  assertEquals(socket.closes, []);
  // A peer that is quiet still gets an echo.
  outbox.send("One more");
  assertEquals(socket.sent, 2);
  await socket.untilClosed();
  assertEquals(socket.closes, SHUT_DOWN);
});
