/**
 * A WebSocket echo server: every message comes back as it was sent, text as
 * text and bytes as bytes, and nothing else is ever sent.
 *
 * ```sh
 * deno run --allow-net echo_server.ts --port 8000
 * ```
 *
 * It keeps no state beyond its open connections. To serve the echo from a
 * program of your own, or from a platform that runs Deno:
 *
 * ```ts ignore
 * import { handler } from "./echo_server.ts";
 *
 * Deno.serve(handler);
 * ```
 *
 * @module
 */

import { answer, elements, refuse } from "./lib/handshake.ts";
import { printable } from "./lib/printable.ts";

/**
 * How many bytes, echoed to one peer, may wait for it to take them: 64 MiB.
 * Deno can not pause a peer that sends and does not read, so this is where it
 * is cut off: the message that would exceed it is not echoed, and the
 * connection is closed with code 1008 (RFC 6455 section 7.4.1).
 */
export const MAX_BUFFERED_BYTES = 64 * 1024 * 1024;

/**
 * How many messages, echoed to one peer, may wait for it to take them: 131 072.
 * A waiting message costs the runtime up to 1 KiB beyond its bytes, so that
 * small ones would take gigabytes before they were 64 MiB. The peer that
 * exceeds it is cut off in the same way. Deno does not tell how many wait: the
 * count is an estimate, at most twice too high.
 */
export const MAX_BUFFERED_MESSAGES = 128 * 1024;

/**
 * How many connections are served at a time, by all uses of {@linkcode handler}
 * in a process: 10 000. Beyond it the answer to a handshake is 503.
 */
export const MAX_CONNECTIONS = 10_000;

/**
 * Seconds without a sign of life after which a peer counts as dead. Deno pings
 * after half of it: at 50 s a proxy that gives up after the usual 60 s of
 * silence never does. A frame must arrive within it, so that one of 64 MiB
 * needs 5.4 Mbit/s.
 */
const IDLE_TIMEOUT = 100;

/** Bytes in a message from which its memory is expensive to get: 256 KiB. */
const LARGE = 256 * 1024;

/** The connections there are. */
const connections = new Set<WebSocket>();

/** Whether no more are taken. */
let goingAway = false;

/**
 * Answers a WebSocket handshake, on any path, and echoes all that comes over
 * the connection. The first subprotocol that is offered is chosen.
 *
 * Any other request is refused before it is a WebSocket (RFC 6455 section
 * 4.2.1): 405 for another method than GET, 426 for plain HTTP and for another
 * version than 13, 400 for a bad `Sec-WebSocket-Key` or
 * `Sec-WebSocket-Protocol`, 503 when there are {@linkcode MAX_CONNECTIONS}.
 *
 * @example
 * ```ts no-eval
 * import { handler } from "./echo_server.ts";
 *
 * Deno.serve({ hostname: "127.0.0.1", port: 8000 }, handler);
 * ```
 */
export function handler(request: Request): Response {
  const refused = refuse(request);
  if (refused !== undefined) return refused;
  if (goingAway || connections.size >= MAX_CONNECTIONS) {
    return answer(503, "There is no room for a connection now", {
      "retry-after": "10",
    });
  }
  const protocols = elements(request.headers.get("sec-websocket-protocol"));

  // From here on nothing may throw: that would end the whole server.
  const { socket, response } = Deno.upgradeWebSocket(request, {
    idleTimeout: IDLE_TIMEOUT,
  });
  if (protocols.length > 0) {
    // The option of upgradeWebSocket knows one spelling of a list only.
    response.headers.set("sec-websocket-protocol", protocols[0]);
  }
  connections.add(socket);
  socket.addEventListener("close", () => connections.delete(socket));
  echo(socket);
  return response;
}

/** Sends every message back, as long as the peer takes what is sent. */
function echo(socket: WebSocket): void {
  // How many messages wait is told from how many bytes do: when those are fewer
  // than came `since` a moment, all that came before it is taken.
  let before = 0;
  let since = 0;
  let bytesSince = 0;
  let cutOff = false;

  socket.addEventListener("message", ({ data }) => {
    const buffered = socket.bufferedAmount;
    if (buffered < bytesSince) {
      before = since;
      since = 0;
      bytesSince = 0;
    }
    if (cutOff) {
      // What still comes is not echoed.
    } else if (
      before + since >= MAX_BUFFERED_MESSAGES ||
      isLonger(data, MAX_BUFFERED_BYTES - buffered)
    ) {
      cutOff = true;
      closeWhenTaken(socket, 1008, "Too much was echoed and not read");
    } else {
      socket.send(data);
      // Text takes at least as many bytes as its length says.
      const size = typeof data === "string" ? data.length : data.byteLength;
      bytesSince += size;
      // That an empty message was taken shows only when later bytes are. It
      // costs less than others, and counts less: a million in a row may come.
      since += size > 0 ? 1 : 1 / 8;
    }
    // Free the memory now: garbage collection would be far behind. Only to get
    // large pieces back from the system costs more than to wait, when one can.
    if (
      typeof data !== "string" &&
      (data.byteLength < LARGE || buffered > 0 || cutOff)
    ) data.transfer(0);
  });
}

/**
 * Closes a connection once its peer has taken all that was sent to it. Were it
 * closed at once, Deno would drop it at the next message that comes, and with it
 * the close frame that waits behind the echoes.
 */
async function closeWhenTaken(
  socket: WebSocket,
  code: number,
  reason: string,
): Promise<void> {
  while (socket.bufferedAmount > 0) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  socket.close(code, reason);
}

/** Takes no more connections, and closes those there are with 1001. */
async function goAway(): Promise<void> {
  goingAway = true;
  await Promise.all(
    Array.from(
      connections,
      (socket) => closeWhenTaken(socket, 1001, "Server shutting down"),
    ),
  );
}

/** Returns whether a message takes more than so many bytes on the wire. */
function isLonger(data: string | ArrayBuffer, bytes: number): boolean {
  if (typeof data !== "string") return data.byteLength > bytes;
  // UTF-8 takes three bytes at most for what is one in a string's length, so
  // that hardly any text has to be encoded to know.
  return data.length * 3 > bytes &&
    new TextEncoder().encode(data).length > bytes;
}

// What follows is the command line.

const HELP = `Echoes every WebSocket message to its sender.

Usage: deno run --allow-net echo_server.ts [OPTIONS]

Options:
  --hostname NAME         the address to listen on (default 127.0.0.1)
  --port NUMBER           the port, 0 for a free one (default 8000)
  --cert FILE --key FILE  a TLS certificate and its private key, in PEM, to
                          serve wss:// and https:// (needs --allow-read)
  --reuse-port            share the port with other processes, on Linux (needs
                          --unstable-net)
  -h, --help              print this text`;

/** Serves what the command line asks for, until a signal. */
async function main(args: string[]): Promise<void> {
  const { parseFlags, parsePort } = await import("./lib/flags.ts");
  const { values } = parseFlags({
    args,
    options: {
      hostname: { type: "string", default: "127.0.0.1" },
      port: { type: "string", default: "8000" },
      cert: { type: "string" },
      key: { type: "string" },
      "reuse-port": { type: "boolean" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help) return console.log(HELP);
  if (values.hostname === "") {
    throw new SyntaxError("--hostname takes a host name or an address");
  }
  if ((values.cert === undefined) !== (values.key === undefined)) {
    throw new SyntaxError("--cert and --key go together");
  }
  const options = {
    hostname: values.hostname,
    port: parsePort("--port", values.port),
    reusePort: values["reuse-port"],
    cert: await readPEM("--cert", values.cert),
    key: await readPEM("--key", values.key),
    onListen() {},
  };
  const { servePage } = await import("./page/serve.ts");
  const { serve } = await import("./lib/serve.ts");
  // From here on nothing is read, whatever a client could bring about.
  await Deno.permissions.revoke({ name: "read" });

  let address;
  try {
    address = serve(
      options,
      (request) => servePage(request) ?? handler(request),
      goAway,
    );
  } catch (error) {
    throw new Error(describeListenError(error, options));
  }
  const s = options.cert === undefined ? "" : "s";
  const at = `${s}://${connectable(address)}/`;
  console.log(
    `Listening on ws${at} (try: deno run --allow-net main.ts ws${at}, or open http${at})`,
  );
}

/** Returns where a client on this machine finds the server. */
function connectable({ hostname, port }: Deno.NetAddr): string {
  if (hostname === "0.0.0.0") hostname = "127.0.0.1";
  if (hostname === "::") hostname = "::1";
  return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

/** Says why `Deno.serve` did not start. */
function describeListenError(
  error: unknown,
  { hostname, port, cert }: Deno.ServeTcpOptions & { cert?: string },
): string {
  const { message } = error as Error;
  const where = printable(`"${hostname}" port ${port}`);
  if (error instanceof Deno.errors.NotCapable) return message;
  if (error instanceof Deno.errors.AddrInUse) {
    return `Cannot listen on ${where}: it is in use (choose another with --port, 0 takes a free one)`;
  }
  if (cert !== undefined && /\b(key|cert)/i.test(message)) {
    return `Cannot use --cert with --key: ${printable(message)}`;
  }
  return `Cannot listen on ${where}: ${printable(message)}`;
}

/** Returns the text of a file, if there is one to read. */
async function readPEM(
  flag: string,
  path: string | undefined,
): Promise<string | undefined> {
  if (path === undefined) return undefined;
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    const { message } = error as Error;
    throw new Error(
      `Cannot read ${flag} "${printable(path)}": ${printable(message)}`,
    );
  }
}

if (import.meta.main) {
  try {
    await main(Deno.args);
  } catch (error) {
    console.error((error as Error).message);
    Deno.exit(error instanceof SyntaxError ? 2 : 1);
  }
}
