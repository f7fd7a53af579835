/**
 * Counts the connections of a server, and closes them when it stops.
 *
 * @module
 */

import type { Outbox } from "./outbox.ts";

/** The connections of a server. */
export class Connections {
  readonly #most: number;
  readonly #open = new Set<Outbox>();
  #unopened = 0;
  #isRefusing = false;
  #isClosing = false;

  /** @param most How many may be open. */
  constructor(most: number) {
    this.#most = most;
  }

  /** How many are open. */
  get open(): number {
    return this.#open.size;
  }

  /**
   * How many handshakes were answered but never opened a connection. Deno keeps
   * a file descriptor for each of them.
   */
  get unopened(): number {
    return this.#unopened;
  }

  /** Whether no more are accepted. */
  get isFull(): boolean {
    return this.#isRefusing || this.open >= this.#most;
  }

  /** Counts a connection while it is open. */
  add(socket: WebSocket, outbox: Outbox): void {
    this.#unopened++;
    // A client that resets the handshake fires no event at all. So a connection
    // counts from "open" on, and not before.
    socket.addEventListener("open", () => {
      this.#unopened--;
      if (this.open >= this.#most) {
        return socket.close(1013, "No more connections now");
      }
      this.#open.add(outbox);
      if (this.#isClosing) outbox.shutDown();
    });
    socket.addEventListener("close", () => this.#open.delete(outbox));
  }

  /** Accepts no more connections from now on. */
  refuse(): void {
    this.#isRefusing = true;
  }

  /**
   * Refuses new connections, and closes the open ones with 1001. Resolves when
   * they are closed: if a peer does not read, never.
   */
  async close(): Promise<void> {
    this.refuse();
    this.#isClosing = true;
    await Promise.all(Array.from(this.#open, (outbox) => outbox.shutDown()));
  }
}
