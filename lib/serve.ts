/**
 * Keeps a server up: through a shortage of file descriptors, until a signal.
 *
 * @module
 */

/** Milliseconds that open connections have to end when the server stops. */
const STOP_DEADLINE = 3000;

/** Milliseconds between one attempt to listen again and the next. */
const RETRY_INTERVAL = 1000;

/**
 * Serves until SIGINT or SIGTERM, and then ends the process with exit code 0:
 * every WebSocket is closed with 1001 once what is queued for it is sent, but
 * not later than after 3 s. A second signal ends the process at once.
 *
 * @param options As for `Deno.serve`, with a port that may be 0.
 * @returns The address it listens on.
 * @throws {Error} Whatever `Deno.serve` throws at first.
 */
export function serve(
  options: Deno.ServeTcpOptions & Partial<Deno.TlsCertifiedKeyPem>,
  handler: Deno.ServeHandler<Deno.NetAddr>,
): Deno.NetAddr {
  // Servers that have stopped listening still have connections to close.
  const servers: Deno.HttpServer<Deno.NetAddr>[] = [];
  let told = false;

  function listen(port: number | undefined): Deno.NetAddr {
    const server = Deno.serve({ ...options, port }, handler);
    servers.push(server);
    server.finished.catch((error: Error) => {
      if (!told) {
        console.error(
          `Cannot accept connections: ${error.message}; those that are open are served, and new ones as soon as it is possible`,
        );
      }
      told = true;
      setTimeout(listenAgain, RETRY_INTERVAL, server.addr.port);
    });
    return server.addr;
  }

  function listenAgain(port: number): void {
    try {
      listen(port);
    } catch {
      setTimeout(listenAgain, RETRY_INTERVAL, port);
    }
  }

  const address = listen(options.port);
  stopOnSignal(servers);
  return address;
}

/** Ends the process on a signal as {@linkcode serve} says. */
function stopOnSignal(servers: Deno.HttpServer[]): void {
  // Windows knows no SIGTERM.
  const signals: Deno.Signal[] = Deno.build.os === "windows"
    ? ["SIGINT"]
    : ["SIGINT", "SIGTERM"];
  let stopping = false;
  for (const signal of signals) {
    Deno.addSignalListener(signal, async () => {
      if (stopping) Deno.exit(1);
      stopping = true;
      // A peer that does not read could hold it up for ever.
      setTimeout(() => Deno.exit(0), STOP_DEADLINE);
      await Promise.allSettled(servers.map((server) => server.shutdown()));
      Deno.exit(0);
    });
  }
}
