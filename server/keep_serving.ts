// Keeps a server running until a signal arrives.

import { setTimeout as delay } from "node:timers/promises";
import type { Connections } from "./connections.ts";
import { MiB } from "./units.ts";

/** Milliseconds that the open connections have to end when the server stops. */
const STOP_TIMEOUT = 2500;

/** Milliseconds in which a signal may come twice: `deno task` passes Ctrl-C on. */
const SAME_SIGNAL_TIME = 500;

/** Milliseconds between two attempts to listen again. */
const RETRY_INTERVAL = 1000;

/** Milliseconds for which a problem is not reported again. */
const REPORT_INTERVAL = 10_000;

/** How many reset handshakes it takes to stop, if they outnumber connections. */
const MAX_LOST_HANDSHAKES = 100;

/** Milliseconds between two looks at the memory, which can grow quickly. */
const MEMORY_INTERVAL = 50;

/** How many times its limit the memory may take while the server stops. */
const MEMORY_WHILE_STOPPING = 1.25;

/** The exit code when the server must be started again. */
const EXIT_RESTART = 3;

/** What {@linkcode keepServing} needs to know of a server. */
export interface Service {
  /** Answers requests, as for `Deno.serve`. */
  handler: (request: Request) => Response;
  /** Its connections. */
  connections: Omit<Connections, "add">;
  /** Milliseconds for which connections may go on after the first signal. */
  drain: number;
  /** The bytes of memory beyond which the process stops. */
  maxMemory: number;
}

/**
 * Serves until SIGINT, SIGTERM, SIGHUP, or SIGBREAK on Windows. Then it accepts
 * no more connections, and waits for the open ones to end by themselves for as
 * long as `drain` says, or until another signal arrives. Then it closes the rest,
 * and ends the process with exit code 0 within 3 s.
 *
 * When there are no file descriptors left, it tries to listen again every
 * second. But if handshakes that were reset have taken more of them than the
 * open connections, or if the process takes too much memory, it stops with exit
 * code 3: without waiting if the memory keeps growing.
 *
 * @throws {Error} If `Deno.serve` throws at the first attempt.
 */
export function keepServing(
  options: Deno.ServeTcpOptions & Partial<Deno.TlsCertifiedKeyPem>,
  { handler, connections, drain, maxMemory }: Service,
): Deno.NetAddr {
  let firstSignal: number | undefined;
  /** The exit code, as soon as it stops. */
  let exitCode: number | undefined;
  /** Why it stops, for a line. */
  let cause = "";
  let isShort = false;
  const reportShortage = reporter();
  const reportFull = reporter();

  function listen(port: number | undefined): Deno.HttpServer<Deno.NetAddr> {
    const server = Deno.serve({ ...options, port }, (request) => {
      if (isShort) console.error("Accepting connections again");
      isShort = false;
      const response = handler(request);
      if (response.status === 503 && connections.state === "full") {
        reportFull(`Full: ${connections.open} connections are open`);
      }
      return response;
    });
    // Deno reports some errors of accept() as if the server had been shut down.
    server.finished.then(
      () => recover(server.addr.port),
      (error) => recover(server.addr.port, error),
    );
    return server;
  }

  /**
   * Handles the end of accept(). It has ended the server, and no connection,
   * unless Deno took it for a shutdown.
   */
  function recover(port: number, error?: Error): void {
    if (exitCode !== undefined) return;
    // The peer ended one connection before it was accepted. Deno reports that as
    // no error at all, or with its name in the message.
    if (!error || /^Connection(Aborted|Reset): /.test(error.message)) {
      return listenAgain(port);
    }
    const problem = `Cannot accept connections: ${withoutName(error)}`;
    const { open, unopened } = connections;
    if (unopened >= MAX_LOST_HANDSHAKES && unopened > open) {
      console.error(
        `${problem}; ${unopened} are lost to handshakes that were reset, so the server stops and must be started again`,
      );
      stop(EXIT_RESTART, "a lack of file descriptors");
      return;
    }
    isShort ||= reportShortage(
      `${problem}; the open ones go on, and new ones are accepted as soon as possible`,
    );
    setTimeout(listenAgain, RETRY_INTERVAL, port);
  }

  function listenAgain(port: number): void {
    if (exitCode !== undefined) return;
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
      stop(1, "a port that is in use");
    }
  }

  function checkMemory(): void {
    const { rss } = Deno.memoryUsage();
    if (rss <= maxMemory) return;
    const [taken, limit] = [rss, maxMemory].map((bytes) =>
      Math.round(bytes / MiB)
    );
    if (exitCode === undefined) {
      console.error(
        `The server takes ${taken} MiB of memory, and ${limit} MiB is the limit, so the server stops and must be started again`,
      );
      stop(EXIT_RESTART, "a lack of memory");
    }
    if (rss > MEMORY_WHILE_STOPPING * maxMemory) end();
  }

  async function onSignal(signal: Deno.Signal): Promise<void> {
    if (exitCode !== undefined) return;
    const now = performance.now();
    if (firstSignal !== undefined) {
      if (now - firstSignal >= SAME_SIGNAL_TIME) stop(0, signal);
      return;
    }
    firstSignal = now;
    connections.drain();
    if (drain > 0) {
      console.log(
        `Draining: open connections: ${connections.open}; they may go on for ${
          drain / 1000
        } s`,
      );
    }
    while (connections.open > 0 && performance.now() - now < drain) {
      await delay(200);
    }
    stop(0, signal);
  }

  async function stop(code: number, why: string): Promise<void> {
    if (exitCode !== undefined) return;
    exitCode = code;
    cause = why;
    // A peer that does not read would delay it forever.
    setTimeout(end, STOP_TIMEOUT);
    await connections.close();
    await server.shutdown().catch(() => {}); // it may have failed before
    end();
  }

  function end(): never {
    const { closed, open } = connections;
    console.log(
      `Stopped by ${cause}: connections closed with 1001: ${closed}; cut: ${open}`,
    );
    Deno.exit(exitCode);
  }

  let server = listen(options.port);
  setInterval(checkMemory, MEMORY_INTERVAL);
  const signals: Deno.Signal[] = ["SIGINT", "SIGTERM", "SIGHUP"];
  if (Deno.build.os === "windows") signals.push("SIGBREAK");
  for (const signal of signals) {
    Deno.addSignalListener(signal, () => onSignal(signal));
  }
  return server.addr;
}

/**
 * Returns what reports a problem, unless it did so less than 10 s before, and
 * says whether it has.
 */
function reporter(): (line: string) => boolean {
  let last = -Infinity;
  return (line) => {
    if (performance.now() - last < REPORT_INTERVAL) return false;
    last = performance.now();
    console.error(line);
    return true;
  };
}

/** Returns the message of an error. Deno may put the error's name before it. */
function withoutName({ message }: Error): string {
  return message.replace(/^\w+: /, "");
}
