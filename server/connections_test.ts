import { assertEquals } from "@std/assert";
import { FakeSocket } from "../testing/fake_socket.ts";
import { Connections } from "./connections.ts";
import { Outbox } from "./outbox.ts";
import { SharedMemory } from "./send_queue.ts";

function add(connections: Connections): FakeSocket {
  const fake = new FakeSocket();
  const socket = fake as unknown as WebSocket;
  connections.add(socket, new Outbox(socket, new SharedMemory(1024)));
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
  assertEquals(connections.state, "ok");
  first.open();
  second.open();
  assertEquals([connections.open, connections.unopened], [2, 1]);
  assertEquals(connections.state, "full");

  // One that opens too late is closed, and takes no place either.
  third.open();
  assertEquals(third.closes, [[1013, "No more connections now"]]);
  assertEquals([connections.open, connections.unopened], [2, 0]);
  third.end();
  assertEquals(connections.open, 2);

  first.end();
  first.end();
  assertEquals(connections.open, 1);
  assertEquals(connections.state, "ok");
});

Deno.test("drain() accepts no more, and closes none", () => {
  const connections = new Connections(1);
  const socket = add(connections);
  socket.open();
  connections.drain();
  assertEquals(connections.state, "draining");
  assertEquals(socket.closes, []);
  socket.end();
});

Deno.test("close() closes all with 1001, also those that open meanwhile", {
  timeout: 60_000,
}, async () => {
  const connections = new Connections(2);
  const first = add(connections);
  const second = add(connections);
  first.open();
  let done = false;
  const closed = connections.close().then(() => done = true);
  assertEquals(connections.state, "stopping");
  second.open();
  for (const [name, socket] of Object.entries({ first, second })) {
    await socket.untilClosed(name);
    assertEquals(socket.closes, [[1001, "Server shutting down"]], name);
  }
  assertEquals(done, false, "close() did not wait for the end");
  // One peer answers, and the other one leaves.
  first.end(true, 1001);
  await closed;
  assertEquals(connections.closed, 1);
  second.end(false);
});
