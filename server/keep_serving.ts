/**
 * Keeps a server running until a signal arrives.
 *
 * @module
 */

import { setTimeout as delay } from "node:timers/promises";
import { MiB } from "../shared/units.ts";

/**
 * Milliseconds that the open connections have to end when the server stops. With
 * much memory to free, the process takes half a second more to end.
 */
const STOP_TIMEOUT = 2500;

/** Milliseconds between two looks at the connections while they drain. */
const DRAIN_INTERVAL = 200;

/**
 * Milliseconds after the first signal for which another one changes nothing.
 * `deno task` passes Ctrl-C on, so the server gets it twice.
 */
const SAME_SIGNAL = 500;

/** Milliseconds between two attempts to listen again. */
const RETRY_INTERVAL = 1000;

/** Milliseconds without a failure after which a failure is reported again. */
const QUIET_INTERVAL = 10_000;

/**
 * If this many handshakes are lost, and more than there are open connections,
 * the server stops, so that a supervisor starts it again.
 */
const MANY = 100;

/** Milliseconds between two looks at the memory. */
const MEMORY_INTERVAL = 250;

/** The exit code when the server must be started again. */
const EXIT_RESTART = 3;

/** What {@linkcode keepServing} needs to know of a server. */
export interface Service {
  /** Answers requests, as for `Deno.serve`. */
  handler: Deno.ServeHandler<Deno.NetAddr>;
  /** Its connections. */
  connections: {
    readonly open: number;
    readonly unopened: number;
    refuse(): void;
    close(): Promise<void>;
  };
  /** The memory for what peers have not read. */
  memory: { readonly size: number; lost: number };
  /** Milliseconds for which connections may go on after the first signal. */
  drain: number;
  /**
   * The bytes of memory beyond which the process stops. Deno keeps buffers for
   * each connection that a program cannot limit: a few times its largest frame.
   */
  maxMemory: number;
}

/**
 * Serves until SIGINT, SIGTERM or SIGHUP (on Windows: SIGINT or SIGBREAK)
 * arrives. Then it refuses new connections, and waits for the open ones to end
 * by themselves for as long as `drain` says, or until another signal arrives.
 * Then it closes the rest, and ends the process with exit code 0 within 3 s.
 *
 * When there are no file descriptors left, it tries to listen again every
 * second. But if handshakes that were reset have taken more of them than the
 * open connections, or if too much memory is taken or lost, it stops, and ends
 * the process with exit code 3.
 *
 * @param options As for `Deno.serve`.
 * @param service What to serve.
 * @returns The address that it listens on.
 * @throws {Error} If `Deno.serve` throws at the first attempt.
 */
export function keepServing(
  options: Deno.ServeTcpOptions & Partial<Deno.TlsCertifiedKeyPem>,
  { handler, connections, memory, drain, maxMemory }: Service,
): Deno.NetAddr {
  let firstSignal: number | undefined;
  let stopping = false;
  let lastFailure = -Infinity;

  function listen(port: number | undefined): Deno.HttpServer<Deno.NetAddr> {
    const server = Deno.serve({ ...options, port }, handler);
    // Deno takes some errors of accept() for a wanted end.
    server.finished.then(
      () => recover(server.addr.port),
      (error) => recover(server.addr.port, error),
    );
    return server;
  }

  /**
   * Handles the end of accept(). It has ended the server, but no connection,
   * unless Deno took it for a wanted end.
   */
  function recover(port: number, error?: Error): void {
    if (stopping) return;
    if (isAboutOneConnection(error)) return listenAgain(port);
    const problem = `Cannot accept connections: ${withoutName(error)}`;
    const { open, unopened } = connections;
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

  function checkMemory(): void {
    const { rss } = Deno.memoryUsage();
    // A peer that has gone meanwhile has given its memory back.
    memory.lost = Math.min(memory.lost, rss);
    const problem = memory.lost > memory.size / 2
      ? `${inMiB(memory.lost)} are lost to connections that ended with an error`
      : rss > maxMemory
      ? `The server takes ${inMiB(rss)} of memory, and ${
        inMiB(maxMemory)
      } is the limit`
      : undefined;
    if (problem === undefined) return;
    console.error(
      `${problem}, so the server stops and must be started again`,
    );
    stop(EXIT_RESTART);
  }

  async function onSignal(): Promise<void> {
    const now = performance.now();
    if (firstSignal !== undefined) {
      if (now - firstSignal >= SAME_SIGNAL) stop(0);
      return;
    }
    firstSignal = now;
    connections.refuse();
    while (connections.open > 0 && performance.now() - now < drain) {
      await delay(DRAIN_INTERVAL);
    }
    stop(0);
  }

  async function stop(exitCode: number): Promise<void> {
    if (stopping) return;
    stopping = true;
    clearInterval(memoryTimer);
    // A peer that does not read would delay it forever.
    setTimeout(() => Deno.exit(exitCode), STOP_TIMEOUT);
    await connections.close();
    await server.shutdown().catch(() => {}); // it may have failed before
    Deno.exit(exitCode);
  }

  let server = listen(options.port);
  const memoryTimer = setInterval(checkMemory, MEMORY_INTERVAL);
  // Windows has no others.
  const signals: Deno.Signal[] = Deno.build.os === "windows"
    ? ["SIGINT", "SIGBREAK"]
    : ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) Deno.addSignalListener(signal, onSignal);
  return server.addr;
}

function inMiB(bytes: number): string {
  return `${Math.round(bytes / MiB)} MiB`;
}

/**
 * Checks whether accept() failed for one connection only, which the peer ended
 * before it was accepted. Deno reports some of them as no error at all, and
 * others with their names in the message.
 */
function isAboutOneConnection(error?: Error): boolean {
  return error === undefined ||
    /^Connection(Aborted|Reset): /.test(error.message);
}

/** Returns the message of an error. Deno may put the error's name before it. */
function withoutName(error?: Error): string {
  return (error?.message ?? "").replace(/^\w+: /, "");
}
