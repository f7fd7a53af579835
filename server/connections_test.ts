import { assertEquals } from "@std/assert";
import { FakeSocket } from "../testing/fake_socket.ts";
import { SharedMemory } from "./backlog.ts";
import { Connections } from "./connections.ts";
import { Outbox } from "./outbox.ts";

function add(connections: Connections): FakeSocket {
  const fake = new FakeSocket();
  const socket = fake as unknown as WebSocket;
  connections.add(socket, new Outbox(socket, new SharedMemory(1024, 0)));
  return fake;
}

Deno.test("Connections counts those that are open", () => {
  const connections = new Connections(2);
  const [first, second, third] = [1, 2, 3].map(() => add(connections)) as [
    FakeSocket,
    FakeSocket,
    FakeSocket,
  ];
  // Those that never open take no place.
  assertEquals([connections.open, connections.unopened], [0, 3]);
  assertEquals(connections.isFull, false);
  first.open();
  second.open();
  assertEquals([connections.open, connections.unopened], [2, 1]);
  assertEquals(connections.isFull, true);

  // One that opens too late is closed, and takes no place either.
  third.open();
  assertEquals(third.closes, [[1013, "No more connections now"]]);
  assertEquals([connections.open, connections.unopened], [2, 0]);
  third.end();
  assertEquals(connections.open, 2);

  first.end();
  first.end();
  assertEquals(connections.open, 1);
  assertEquals(connections.isFull, false);
});

Deno.test("Connections accepts no more when it refuses", () => {
  const connections = new Connections(2);
  const socket = add(connections);
  socket.open();
  connections.refuse();
  assertEquals(connections.isFull, true);
  assertEquals(socket.closes, []);
});

Deno.test("close() closes all with 1001, also those that open meanwhile", async () => {
  const connections = new Connections(2);
  const first = add(connections);
  const second = add(connections);
  first.open();
  let done = false;
  const closed = connections.close().then(() => done = true);
  assertEquals(connections.isFull, true);
  second.open();
  for (const socket of [first, second]) {
    await socket.untilClosed();
    assertEquals(socket.closes, [[1001, "Server shutting down"]]);
  }
  assertEquals(done, false);
  first.end();
  await closed;
  second.end();
});
