import { setTimeout as delay } from "node:timers/promises";

/** Takes the place of a server's socket where a real one would take too long. */
export class FakeSocket extends EventTarget {
  readyState: WebSocket["readyState"] = WebSocket.OPEN;
  /** How often bufferedAmount was asked for. */
  asked = 0;
  #buffered = 0;
  /** How many messages were sent. */
  sent = 0;
  /** The arguments of every call of close(). */
  closes: unknown[][] = [];

  get bufferedAmount(): number {
    this.asked++;
    return this.#buffered;
  }

  set bufferedAmount(bytes: number) {
    this.#buffered = bytes;
  }

  /** Sends data to a peer that does not read it. */
  send(data: string | ArrayBuffer): void {
    this.sent++;
    this.#buffered += typeof data === "string"
      ? new TextEncoder().encode(data).length
      : data.byteLength;
  }

  /** Says 0 for what is buffered from then on, as Deno does. */
  close(...args: unknown[]): void {
    this.readyState = WebSocket.CLOSING;
    this.bufferedAmount = 0;
    this.closes.push(args);
  }

  /** Is open, once the handshake is done. */
  open(): void {
    this.dispatchEvent(new Event("open"));
  }

  /** Is closed. */
  end(wasClean = true, code = 1000): void {
    this.readyState = WebSocket.CLOSED;
    this.bufferedAmount = 0;
    this.dispatchEvent(new CloseEvent("close", { wasClean, code }));
  }

  /**
   * Lets the peer read everything, and waits for a call of close().
   *
   * @throws {Error} If it is not called within 10 s.
   */
  async untilClosed(name = "the socket"): Promise<void> {
    this.bufferedAmount = 0;
    const end = performance.now() + 10_000;
    while (this.closes.length === 0) {
      if (performance.now() > end) {
        throw new Error(`Within 10 s, nothing called close() of ${name}`);
      }
      await delay(10);
    }
  }
}
