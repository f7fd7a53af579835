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
 * Milliseconds within which a signal is still the first one: `deno task` passes
 * on what the terminal or the supervisor has sent to its whole group already.
 */
const SAME_SIGNAL = 200;

/**
 * Serves until SIGINT or SIGTERM (on Windows: SIGINT), and then ends the process
 * with exit code 0, after 3 s at the latest. A second signal ends it at once,
 * with exit code 1.
 *
 * @param options As for `Deno.serve`.
 * @param handler As for `Deno.serve`.
 * @param goAway Closes the connections. When it is done the server is shut down.
 * @returns The address it listens on.
 * @throws {Error} Whatever `Deno.serve` throws, at the first attempt.
 */
export function serve(
  options: Deno.ServeTcpOptions & Partial<Deno.TlsCertifiedKeyPem>,
  handler: Deno.ServeHandler<Deno.NetAddr>,
  goAway: () => Promise<void>,
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

  let stoppingSince: number | undefined;
  async function stop(): Promise<void> {
    if (stoppingSince !== undefined) {
      if (performance.now() - stoppingSince < SAME_SIGNAL) return;
      Deno.exit(1);
    }
    stoppingSince = performance.now();
    // A peer that does not read would hold it up for ever.
    setTimeout(() => Deno.exit(0), STOP_DEADLINE);
    await goAway();
    await Promise.allSettled(servers.map((server) => server.shutdown()));
    Deno.exit(0);
  }
  Deno.addSignalListener("SIGINT", stop);
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", stop);

  return address;
}
