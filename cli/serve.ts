/**
 * Keeps a server running until a signal arrives.
 *
 * @module
 */

/** Milliseconds that the open connections have to end when the server stops. */
const STOP_TIMEOUT = 2800;

/** Milliseconds between two attempts to listen again. */
const RETRY_INTERVAL = 1000;

/** Milliseconds without a failure after which a failure is reported again. */
const QUIET_INTERVAL = 10_000;

/**
 * From how many lost handshakes on the server stops to be started again, if
 * there are fewer open connections.
 */
const MANY = 100;

/** The exit code when the server must be started again. */
const EXIT_RESTART = 3;

/** What {@linkcode serve} needs to know of the server. */
export interface Service {
  /** Answers requests, as for `Deno.serve`. */
  handler: Deno.ServeHandler<Deno.NetAddr>;
  /** Closes the connections. */
  shutDown(): Promise<void>;
  /** Counts the connections, as in echo_server.ts. */
  countConnections(): { open: number; unopened: number };
}

/**
 * Serves until SIGINT, SIGTERM or SIGHUP (on Windows: SIGINT) arrives. Then it
 * stops, and ends the process with exit code 0 after 3 s at most.
 *
 * When there are no file descriptors left, it tries to listen again every
 * second. But if handshakes that were reset have taken more of them than the
 * open connections, it stops, and ends the process with exit code 3.
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
  let stopping = false;
  let lastFailure = -Infinity;

  function listen(port: number | undefined): Deno.HttpServer<Deno.NetAddr> {
    const server = Deno.serve({ ...options, port }, service.handler);
    server.finished.catch((error) => recover(server.addr.port, error));
    return server;
  }

  /** Handles an error of accept(). It has ended the server, but no connection. */
  function recover(port: number, error: Error): void {
    const problem = `Cannot accept connections: ${withoutName(error)}`;
    const { open, unopened } = service.countConnections();
    if (unopened >= MANY && unopened > open) {
      console.error(
        `${problem}; ${unopened} are lost to handshakes that were reset, so the server stops and must be started again`,
      );
      stop(EXIT_RESTART);
      return;
    }
    const now = performance.now();
    if (now - lastFailure > QUIET_INTERVAL) {
      console.error(
        `${problem}; the open ones go on, and new ones are accepted as soon as possible`,
      );
    }
    lastFailure = now;
    setTimeout(listenAgain, RETRY_INTERVAL, port);
  }

  function listenAgain(port: number): void {
    if (stopping) return;
    try {
      server = listen(port);
    } catch (error) {
      if (/too many open/i.test((error as Error).message)) {
        setTimeout(listenAgain, RETRY_INTERVAL, port);
        return;
      }
      console.error(
        `Cannot listen again on port ${port}: ${withoutName(error as Error)}`,
      );
      stop(1);
    }
  }

  async function stop(exitCode: number): Promise<void> {
    if (stopping) return;
    stopping = true;
    // A peer that does not read would delay it without end.
    setTimeout(() => Deno.exit(exitCode), STOP_TIMEOUT);
    await service.shutDown();
    await server.shutdown().catch(() => {}); // it may have failed before
    Deno.exit(exitCode);
  }

  let server = listen(options.port);
  const signals: Deno.Signal[] = Deno.build.os === "windows"
    ? ["SIGINT"]
    : ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) Deno.addSignalListener(signal, () => stop(0));
  return server.addr;
}

/** Returns the message of an error. In some of Deno, it begins with "Error: ". */
function withoutName({ message }: Error): string {
  return message.replace(/^Error: /, "");
}
