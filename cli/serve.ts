/**
 * Keeps a server running until a signal arrives.
 *
 * @module
 */

/** Milliseconds that the open connections have to end when the server stops. */
const STOP_TIMEOUT = 3000;

/** Milliseconds between two attempts to listen again. */
const RETRY_INTERVAL = 1000;

/** The exit code when only a new process can help. */
const EXIT_RESTART = 3;

/** What {@linkcode serve} needs to know of the server. */
export interface Service {
  /** Answers requests, as for `Deno.serve`. */
  handler: Deno.ServeHandler<Deno.NetAddr>;
  /** Closes the connections. Then the server is shut down. */
  shutDown(): Promise<void>;
  /** Counts the connections, as in echo_server.ts. */
  countConnections(): { open: number; unopened: number };
}

/**
 * Serves until SIGINT, SIGTERM or SIGHUP (on Windows: SIGINT) arrives. Then it
 * stops, and ends the process with exit code 0 after 3 s at most.
 *
 * When there are no file descriptors left, it listens again every second. But if
 * more of them are lost to handshakes that never opened than are used by open
 * connections, it stops and ends the process with exit code 3.
 *
 * @param options As for `Deno.serve`.
 * @param service What to serve.
 * @returns The address that it listens on.
 * @throws {Error} If `Deno.serve` throws at the first attempt.
 */
export function serve(
  options: Deno.ServeTcpOptions & Partial<Deno.TlsCertifiedKeyPem>,
  service: Service,
): Deno.NetAddr {
  // A server that no longer listens still has open connections.
  const servers: Deno.HttpServer<Deno.NetAddr>[] = [];
  let reported = false;
  let stopping = false;

  function listen(port: number | undefined): Deno.NetAddr {
    const server = Deno.serve({ ...options, port }, service.handler);
    servers.push(server);
    server.finished.catch(({ message }: Error) => {
      const { open, unopened } = service.countConnections();
      if (unopened > open) {
        console.error(
          `Cannot accept connections: ${message}; ${unopened} are lost to handshakes that were reset, so the server stops and must be started again`,
        );
        return stop(EXIT_RESTART);
      }
      if (!reported) {
        console.error(
          `Cannot accept connections: ${message}; the open ones go on, and new ones are accepted as soon as possible`,
        );
      }
      reported = true;
      setTimeout(listenAgain, RETRY_INTERVAL, server.addr.port);
    });
    return server.addr;
  }

  function listenAgain(port: number): void {
    if (stopping) return;
    try {
      listen(port);
    } catch {
      setTimeout(listenAgain, RETRY_INTERVAL, port);
    }
  }

  async function stop(exitCode: number): Promise<void> {
    if (stopping) return;
    stopping = true;
    // A peer that does not read would delay it without end.
    setTimeout(() => Deno.exit(exitCode), STOP_TIMEOUT);
    await service.shutDown();
    await Promise.allSettled(servers.map((server) => server.shutdown()));
    Deno.exit(exitCode);
  }

  const address = listen(options.port);
  const signals: Deno.Signal[] = Deno.build.os === "windows"
    ? ["SIGINT"]
    : ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) Deno.addSignalListener(signal, () => stop(0));
  return address;
}
