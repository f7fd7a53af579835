// Counts the connections of a server, and closes them when it stops.

import type { Outbox } from "./outbox.ts";

/** What a server does. It accepts connections only while it is "ok". */
export type State = "ok" | "full" | "draining" | "stopping";

/** The connections of a server. */
export class Connections {
  readonly #maxOpen: number;
  readonly #open = new Set<Outbox>();
  /**
   * How many handshakes were answered but never opened a connection. Deno keeps
   * a file descriptor for each of them.
   */
  unopened = 0;
  /** How many were closed with 1001 when the server stopped. */
  closed = 0;
  #phase: State = "ok";

  constructor(maxOpen: number) {
    this.#maxOpen = maxOpen;
  }

  /** How many are open. */
  get open(): number {
    return this.#open.size;
  }

  /** Whether new ones are accepted, and if not, why. */
  get state(): State {
    if (this.#phase === "ok" && this.open >= this.#maxOpen) return "full";
    return this.#phase;
  }

  /** Counts a connection while it is open. */
  add(socket: WebSocket, outbox: Outbox): void {
    this.unopened++;
    // A client that resets the handshake fires no event at all. So a connection
    // counts from "open" on, and not before.
    socket.addEventListener("open", () => {
      this.unopened--;
      if (this.open >= this.#maxOpen) {
        return socket.close(1013, "No more connections now");
      }
      this.#open.add(outbox);
      if (this.#phase === "stopping") this.#shutDown(outbox);
    }, { once: true });
    socket.addEventListener("close", () => this.#open.delete(outbox), {
      once: true,
    });
  }

  /** Accepts no more connections from now on. */
  drain(): void {
    this.#phase = "draining";
  }

  /**
   * Accepts no more connections, and closes the open ones with 1001. Resolves
   * when they are closed: if a peer does not read, never.
   */
  async close(): Promise<void> {
    this.#phase = "stopping";
    const open = Array.from(this.#open);
    await Promise.all(open.map((outbox) => this.#shutDown(outbox)));
  }

  async #shutDown(outbox: Outbox): Promise<void> {
    if (await outbox.shutDown() === 1001) this.closed++;
  }
}
