// Both ends of an ordinary WebSocket connection, in this process.

import { converse, type ConverseOptions } from "../main.ts";

/** What is sent and received. */
export type Message = string | ArrayBuffer;

/** Opens a connection, and hands out its messages one by one. */
export async function connect(url: string, protocols: string[] = []) {
  const socket = new WebSocket(url, protocols);
  socket.binaryType = "arraybuffer";
  const messages = new ReadableStream<Message>({
    start(controller) {
      socket.addEventListener(
        "message",
        ({ data }) => controller.enqueue(data),
      );
      socket.addEventListener("close", () => controller.close());
    },
  }).getReader();
  const closed = new Promise<CloseEvent>((resolve) =>
    socket.addEventListener("close", resolve)
  );
  await new Promise((resolve, reject) => {
    socket.addEventListener("open", resolve);
    socket.addEventListener("error", reject);
  });
  return {
    socket,
    closed,
    /** Waits for the next message. */
    next: async () => (await messages.read()).value,
    /** Sends a message and waits for the next. */
    async echo(message: Message) {
      socket.send(message);
      return (await messages.read()).value;
    },
    async [Symbol.asyncDispose]() {
      socket.close();
      await closed;
    },
  };
}

/** Serves in this process, on a free port, until it goes out of scope. */
export function serveHere(
  handler: Deno.ServeHandler<Deno.NetAddr>,
  tls: Partial<Deno.TlsCertifiedKeyPem> = {},
) {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {}, ...tls },
    handler,
  );
  const { port } = server.addr;
  return {
    port,
    url: `${tls.cert === undefined ? "ws" : "wss"}://127.0.0.1:${port}/`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** Holds a conversation, and returns what it logged. */
export async function logOf(
  url: string | URL,
  options: ConverseOptions = {},
): Promise<string[]> {
  const lines: string[] = [];
  await converse(url, { log: (line) => lines.push(line), ...options });
  return lines;
}
