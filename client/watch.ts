/**
 * Waits for the steps of a conversation, and judges how it went.
 *
 * @module
 */

import { printable } from "../shared/printable.ts";
import {
  closeCodeOf,
  ConversationError,
  describeClose,
  describeDrop,
  describeWrongChoice,
  type Failure,
  withoutCredentials,
} from "./failure.ts";
import type { ConverseOptions } from "./options.ts";
import { describeRefusal } from "./refusal.ts";
import { type Show, showWithoutSecrets } from "./secrets.ts";

/**
 * Milliseconds to wait for the close when it is known already that the
 * conversation failed.
 */
const CLOSE_TIMEOUT = 1000;

/** Watches the client's end of a connection. */
export class Watch {
  readonly #socket: WebSocket;
  readonly #url: string;
  readonly #options: ConverseOptions;
  readonly #timeout: number;
  readonly #show: Show;
  readonly #start: number = performance.now();
  /** When it opened and when it ended, in milliseconds. */
  #openedAt?: number;
  #endedAt?: number;
  #received = 0;
  #binary = 0;
  #found = false;
  /** The message of the error event, empty in browsers. */
  #error?: string;
  #close?: CloseEvent;
  /** What the server still owed when the wait for its answers ended. */
  #missing?: string;
  /** Whether the connection ended before the client closed it. */
  #early = false;
  /** Is called after every event. */
  #look = () => {};

  /**
   * Starts to watch a socket that is connecting.
   *
   * @param socket The socket.
   * @param url Its URL as it was given, perhaps with credentials.
   * @param options What the conversation is meant to be.
   */
  constructor(socket: WebSocket, url: string | URL, options: ConverseOptions) {
    this.#socket = socket;
    // In Deno, the socket's own URL has lost the credentials.
    const { username, password } = new URL(url, socket.url);
    this.#url = Object.assign(new URL(socket.url), { username, password }).href;
    this.#options = options;
    this.#timeout = options.timeout ?? 10_000;
    this.#show = showWithoutSecrets(this.#url, options.headers);

    socket.addEventListener("open", () => {
      this.#openedAt = performance.now();
      this.#look();
    });
    socket.addEventListener("message", ({ data }) => {
      this.#received++;
      if (typeof data !== "string") this.#binary++;
      this.#found ||= this.#isExpected(data);
      this.#look();
    });
    socket.addEventListener("error", (event) => {
      this.#error = (event as ErrorEvent).message ?? "";
      this.#endedAt ??= performance.now();
      this.#look();
    });
    socket.addEventListener("close", (event) => {
      this.#close = event;
      this.#endedAt ??= performance.now();
      this.#look();
    });
  }

  /**
   * Waits until the connection is open.
   *
   * @throws {ConversationError} If it does not open in time, or with a
   * subprotocol or an extension that was not offered.
   */
  async opened(): Promise<void> {
    const { protocols = [], headers, client } = this.#options;
    const isOpened = () => this.#openedAt !== undefined;
    await this.#wait(() => isOpened() || this.#isOver, this.#timeout);
    if (!isOpened() && !this.#isOver) {
      this.#socket.close();
      throw this.#failure(
        `No answer to the opening handshake within ${
          this.#timeout / 1000
        } s (timed out; perhaps a wrong path, subprotocol or Origin)`,
        { timedOut: true },
      );
    }
    if (!isOpened()) {
      await this.#closeBriefly();
      const rest = this.#start + this.#timeout - performance.now();
      const { problem, ...failure } = await describeRefusal(
        { url: this.#url, protocols, headers, client },
        this.#error ?? "",
        Math.max(0, rest),
        this.#show,
      );
      throw this.#failure(problem, failure);
    }
    const wrongChoice = describeWrongChoice(
      this.#socket,
      protocols,
      this.#show,
    );
    if (wrongChoice !== undefined) {
      await this.#closeBriefly();
      throw this.#failure(wrongChoice);
    }
  }

  /** Waits for so many milliseconds, or until the connection is over. */
  async pause(milliseconds: number): Promise<void> {
    await this.#wait(() => this.#isOver, milliseconds);
  }

  /**
   * Waits until everything that the server owes has arrived, or the connection is
   * over: the expected message, or as many as were sent. If none were sent, it
   * owes a connection that stays open for so many milliseconds.
   */
  async answered(sent: number, pause: number): Promise<void> {
    const { expect } = this.#options;
    if (sent === 0) await this.pause(pause);
    const isPaid = () =>
      expect !== undefined
        ? this.#found
        : sent > 0
        ? this.#received >= sent
        : this.#socket.readyState === WebSocket.OPEN;
    await this.#wait(() => isPaid() || this.#isOver, this.#timeout);
    this.#early = this.#socket.readyState !== WebSocket.OPEN;
    if (!isPaid()) this.#missing = this.#describeMissing(sent);
  }

  /**
   * Waits until the connection is closed, and looks back.
   *
   * @throws {ConversationError} If the conversation failed.
   */
  async closed(): Promise<void> {
    const missing = this.#missing;
    if (missing !== undefined && !this.#early) {
      await this.#closeBriefly();
      throw this.#failure(missing, { timedOut: true });
    }
    if (this.#error !== undefined) await this.#closeBriefly();
    else await this.#wait(() => this.#close !== undefined, this.#timeout);
    const close = this.#close;
    if (this.#error !== undefined || close?.wasClean === false) {
      throw this.#failure(describeDrop(this.#error ?? "") + this.#when);
    }
    if (close === undefined) {
      throw this.#failure(`No answer to the close ${this.#inTime}`, {
        timedOut: true,
      });
    }
    const how = describeClose(close, this.#show);
    if (missing !== undefined) {
      throw this.#failure(
        `The server closed too early${missing}, with ${how}${this.#when}`,
      );
    }
    // Deno says 1005 also if TCP ended without a close frame after the close.
    if (close.code === 1000 || close.code === 1005) return;
    throw this.#failure(
      this.#early
        ? `The server closed with ${how}${this.#when}`
        : `The server answered the close with ${how}`,
    );
  }

  /** Returns what did not arrive: in time, or before the connection ended. */
  #describeMissing(sent: number): string {
    const { expect } = this.#options;
    const received = this.#received;
    if (expect === undefined) {
      return this.#early
        ? sent === 0 ? "" : `, after ${received} of ${sent} messages`
        : `Only ${received} of ${sent} messages came back ${this.#inTime}`;
    }
    const text = printable(expect, 200);
    const others =
      `; ${received} other message${received === 1 ? "" : "s"} came` +
      (this.#binary === 0 ? "" : `, ${this.#binary} of them binary`);
    return this.#early
      ? `, before a message contained "${text}"${others}`
      : `No message contained "${text}" ${this.#inTime}${others}`;
  }

  #isExpected(data: string | ArrayBuffer): boolean {
    const { expect } = this.#options;
    if (expect === undefined) return false;
    const text = typeof data === "string"
      ? data
      : new TextDecoder().decode(data);
    return text.includes(expect);
  }

  /** Whether the connection has ended. Node.js 22 may fire no close event. */
  get #isOver(): boolean {
    return this.#endedAt !== undefined;
  }

  get #inTime(): string {
    return `within ${this.#timeout / 1000} s (timed out)`;
  }

  /** How long the connection was open, for a line about its end. */
  get #when(): string {
    const time = (this.#endedAt ?? 0) - (this.#openedAt ?? 0);
    return `, ${(time / 1000).toFixed(1)} s after it opened`;
  }

  #failure(problem: string, failure: Failure = {}): ConversationError {
    const url = printable(withoutCredentials(this.#url));
    const closeCode = this.#openedAt !== undefined && this.#isOver
      ? closeCodeOf(this.#close ?? { code: 0 })
      : undefined;
    return new ConversationError(`${url}: ${problem}`, {
      closeCode,
      ...failure,
    });
  }

  /** Closes the connection, and waits for a moment, so that its end is logged. */
  async #closeBriefly(): Promise<void> {
    this.#socket.close();
    const milliseconds = Math.min(CLOSE_TIMEOUT, this.#timeout);
    await this.#wait(() => this.#close !== undefined, milliseconds);
  }

  /** Waits until a condition holds, but not for longer than so many milliseconds. */
  async #wait(condition: () => boolean, milliseconds: number): Promise<void> {
    if (condition()) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, milliseconds);
    // While a server floods the client with messages, no timer runs.
    const end = performance.now() + milliseconds;
    this.#look = () => {
      if (condition() || performance.now() > end) resolve();
    };
    await promise;
    this.#look = () => {};
    clearTimeout(timer);
  }
}
