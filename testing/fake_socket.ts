import { setTimeout as delay } from "node:timers/promises";

/** Takes the place of a server's socket where a real one would take too long. */
export class FakeSocket extends EventTarget {
  readyState: WebSocket["readyState"] = WebSocket.OPEN;
  bufferedAmount = 0;
  /** How many messages were sent. */
  sent = 0;
  /** The arguments of every call of close(). */
  closes: unknown[][] = [];

  /** Sends data to a peer that does not read it. */
  send(data: string | ArrayBuffer): void {
    this.sent++;
    this.bufferedAmount += typeof data === "string"
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
  end(wasClean = true): void {
    this.readyState = WebSocket.CLOSED;
    this.bufferedAmount = 0;
    this.dispatchEvent(new CloseEvent("close", { wasClean }));
  }

  /** Lets the peer read everything, and waits for a call of close(). */
  async untilClosed(): Promise<void> {
    this.bufferedAmount = 0;
    while (this.closes.length === 0) await delay(10);
  }
}
