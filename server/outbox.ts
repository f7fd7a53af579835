/**
 * Sends the echoes of one connection, as long as its peer reads them.
 *
 * @module
 */

import { setTimeout as delay } from "node:timers/promises";
import { MiB } from "../shared/units.ts";
import { Backlog, MESSAGE_OVERHEAD, type SharedMemory } from "./backlog.ts";

/**
 * A peer that was cut off may send this many bytes more before its connection is
 * closed at once: 128 MiB. Without this limit, a peer that keeps sending takes
 * all the time of the server.
 */
const MAX_IGNORED_BYTES = 128 * MiB;

/** Milliseconds without a message after which a peer counts as quiet. */
const QUIET = 200;

/** Milliseconds for which a peer that is never quiet still gets its echoes. */
const LAST_ECHOES = 1000;

/** Milliseconds for which it is then given the chance to become quiet. */
const LAST_WAIT = 1000;

/**
 * What an error event says when TCP is over, so that the runtime keeps nothing.
 * The numbers are for Windows, which says it in the user's language.
 */
const TCP_IS_OVER =
  /broken pipe|reset|aborted|failed to send frame|os error (32|54|104|10053|10054)\b/i;

/** What a server sends over one connection. */
export class Outbox {
  readonly #socket: WebSocket;
  readonly #backlog: Backlog;
  #isEchoing = true;
  /** How many messages have arrived. */
  #received = 0;
  /** The bytes that arrived after the last echo, and their messages' overhead. */
  #ignored = 0;

  /**
   * @param socket The server's end of a connection.
   * @param memory The memory that it shares with other connections.
   */
  constructor(socket: WebSocket, memory: SharedMemory) {
    this.#socket = socket;
    this.#backlog = new Backlog(socket, memory);
    let isTCPOver = false;
    socket.addEventListener("error", (event) => {
      isTCPOver = TCP_IS_OVER.test((event as ErrorEvent).message);
    });
    socket.addEventListener("close", ({ wasClean }) => {
      // After another error, Deno keeps the connection until the peer ends it.
      if (wasClean || isTCPOver) this.#backlog.release();
      else this.#backlog.lose();
    });
  }

  /** Sends a message, unless too many wait for the peer to read them. */
  send(data: string | ArrayBuffer): void {
    // A character of a string takes three bytes at most. To count them exactly
    // takes longer than to ask the socket afterwards.
    const most = typeof data === "string" ? 3 * data.length : data.byteLength;
    this.#received++;
    const buffered = this.#socket.bufferedAmount;
    if (this.#isEchoing && this.#backlog.isFull(buffered, most)) this.#cutOff();
    if (this.#isEchoing) {
      this.#socket.send(data);
      this.#backlog.add(this.#socket.bufferedAmount - buffered);
    } else {
      this.#ignored += MESSAGE_OVERHEAD + most;
      if (this.#ignored > MAX_IGNORED_BYTES) this.#socket.close(1008);
    }
    // Free the memory now, because garbage collection comes hundreds of MiB
    // later.
    if (typeof data !== "string") data.transfer(0);
  }

  /** Sends nothing more, and closes with 1008 when the peer has read the rest. */
  async #cutOff(): Promise<void> {
    this.#isEchoing = false;
    do await this.#untilQuiet(Infinity); while (
      this.#socket.bufferedAmount > 0
    );
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    this.#socket.close(1008, "Too many echoes were not read");
    this.#backlog.release();
  }

  /**
   * Closes with 1001 so that the peer gets the close frame. After `close()` Deno
   * drops the connection at the next message that arrives, and the close frame
   * with it if it still waits behind other messages. So this waits until the
   * peer is quiet and has read everything. A peer that waits for its echoes
   * becomes quiet when they stop.
   *
   * @returns A promise that resolves when the connection is closed: if the peer
   * does not read, never.
   */
  async shutDown(): Promise<void> {
    const closed = new Promise((resolve) => {
      this.#socket.addEventListener("close", resolve);
    });
    if (!await this.#untilQuiet(LAST_ECHOES)) {
      this.#isEchoing = false;
      await this.#untilQuiet(LAST_WAIT);
    }
    while (this.#socket.bufferedAmount > 0) await delay(QUIET);
    this.#socket.close(1001, "Server shutting down");
    await closed;
  }

  /** Waits until nothing arrives for 200 ms, and says whether that happened. */
  async #untilQuiet(timeout: number): Promise<boolean> {
    const end = performance.now() + timeout;
    for (;;) {
      const before = this.#received;
      await delay(QUIET);
      if (this.#received === before) return true;
      if (performance.now() > end) return false;
    }
  }
}
