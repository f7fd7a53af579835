/**
 * An echo server to which things happen that no client can bring about. The path
 * of a request says which:
 *
 * - `/fail/NAME`: accept() fails with an error of this name, or without one;
 * - `/full`: so many connections are open that no more are accepted;
 * - `/fill`: the memory grows, by 16 MiB every 20 ms.
 *
 * Its argument is how many MiB it may take beyond what it takes at the start.
 *
 * @module
 */

import { handler } from "../echo_server.ts";
import type { State } from "../server/connections.ts";
import { keepServing } from "../server/keep_serving.ts";
import { textResponse } from "../server/plain_http.ts";
import { MiB } from "../server/units.ts";

let state: State = "ok";
const blocks: Uint8Array[] = [];

function answer(request: Request): Response {
  const { pathname } = new URL(request.url);
  const [, what, name = ""] = pathname.split("/");
  if (what === "fail") {
    setTimeout(fail, 0, name);
    return new Response("", { headers: { connection: "close" } });
  }
  if (what === "full") {
    state = "full";
    return textResponse(503, "No more connections now");
  }
  if (what === "fill") {
    setInterval(() => blocks.push(new Uint8Array(16 * MiB).fill(1)), 20);
    return textResponse(200, "It grows");
  }
  return handler(request);
}

/** Ends accept(), with an error of this name or without any. */
let fail: (name: string) => Promise<void>;

if (import.meta.main) {
  const { serve } = Deno;
  Object.assign(Deno, {
    serve(options: Deno.ServeTcpOptions, handler: typeof answer) {
      const server = serve(options, handler);
      const finished = new Promise<void>((resolve, reject) => {
        fail = async (name) => {
          await server.shutdown();
          if (name === "") resolve();
          else reject(new Error(`${name}: It is over`));
        };
      });
      const { addr } = server;
      return { addr, finished, shutdown: () => server.shutdown() };
    },
  });
  const { port } = keepServing(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    {
      handler: answer,
      connections: {
        open: 3,
        unopened: 0,
        closed: 2,
        get state() {
          return state;
        },
        drain: () => console.log("It drains"),
        close: () => new Promise(() => {}), // a peer does not read
      },
      drain: 0,
      maxMemory: Deno.memoryUsage().rss + Number(Deno.args[0]) * MiB,
    },
  );
  console.log(`ws://127.0.0.1:${port}/`);
}
