// Waits for the steps of a conversation, and judges how it went.

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

/** Milliseconds to wait for the close when the conversation has failed already. */
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
  #sent = 0;
  #received = 0;
  #binary = 0;
  #found = false;
  /** The message of the error event, empty in browsers. */
  #error?: string;
  #close?: CloseEvent;
  /** What had not arrived when the wait for the answers ended, in words. */
  #missing?: string;
  /** Whether the connection ended before the client closed it. */
  #endedEarly = false;
  /** Is called after every event. */
  #onEvent = () => {};

  /** Starts to watch a socket that is connecting. The URL is as it was given. */
  constructor(socket: WebSocket, url: string | URL, options: ConverseOptions) {
    this.#socket = socket;
    // In Deno, the socket's own URL has lost the credentials.
    const { username, password } = new URL(url, socket.url);
    this.#url = Object.assign(new URL(socket.url), { username, password }).href;
    this.#options = options;
    this.#timeout = options.timeout ?? 10_000;
    this.#show = showWithoutSecrets(this.#url, options.headers);

    socket.addEventListener("open", () => this.#openedAt = performance.now());
    socket.addEventListener("message", ({ data }) => {
      const isText = typeof data === "string";
      this.#received++;
      if (!isText) this.#binary++;
      const { expect } = options;
      if (expect === undefined || this.#found) return;
      const text = isText ? data : new TextDecoder().decode(data);
      this.#found = text.includes(expect);
    });
    socket.addEventListener("error", (event) => {
      this.#error = (event as ErrorEvent).message ?? "";
      this.#endedAt ??= performance.now();
    });
    socket.addEventListener("close", (event) => {
      this.#close = event;
      this.#endedAt ??= performance.now();
    });
    for (const type of ["open", "message", "error", "close"]) {
      socket.addEventListener(type, () => this.#onEvent());
    }
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
        `No answer to the opening handshake ${
          this.#inTime("; perhaps a wrong path, subprotocol or Origin")
        }`,
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
    const choice = describeWrongChoice(this.#socket, protocols, this.#show);
    if (choice === undefined) return;
    await this.#closeBriefly();
    throw this.#failure(choice);
  }

  /** Waits after a message, or until the connection is over. In milliseconds. */
  async pause(milliseconds: number): Promise<void> {
    this.#sent++;
    await this.#wait(() => this.#isOver, milliseconds);
  }

  /**
   * Waits until the expected message has arrived, or as many as were to be sent,
   * or the connection is over. Without messages, it must stay open for a pause.
   */
  async answered(count: number, pause: number): Promise<void> {
    const { expect } = this.#options;
    if (count === 0) await this.#wait(() => this.#isOver, pause);
    const isComplete = () =>
      expect !== undefined
        ? this.#found
        : count > 0
        ? Math.min(this.#sent, this.#received) >= count
        : this.#socket.readyState === WebSocket.OPEN;
    await this.#wait(() => isComplete() || this.#isOver, this.#timeout);
    this.#endedEarly = this.#socket.readyState !== WebSocket.OPEN;
    if (!isComplete()) this.#missing = this.#describeMissing(count);
  }

  /**
   * Waits until the connection is closed, and judges the conversation.
   *
   * @throws {ConversationError} If the conversation failed.
   */
  async closed(): Promise<void> {
    const missing = this.#missing;
    if (missing !== undefined && !this.#endedEarly) {
      await this.#closeBriefly();
      throw this.#failure(missing, { timedOut: true });
    }
    if (this.#error !== undefined) await this.#closeBriefly();
    else await this.#wait(() => this.#close !== undefined, this.#timeout);
    const close = this.#close;
    if (this.#error !== undefined || close?.wasClean === false) {
      throw this.#failure(describeDrop(this.#error ?? "") + this.#timeOpen);
    }
    if (close === undefined) {
      throw this.#failure(`No answer to the close ${this.#inTime()}`, {
        timedOut: true,
      });
    }
    const how = describeClose(close, this.#show);
    if (missing !== undefined) {
      throw this.#failure(
        `The server closed too early${missing}, with ${how}${this.#timeOpen}`,
      );
    }
    // Deno says 1005 also if TCP ended without a close frame after the close.
    if (close.code === 1000 || close.code === 1005) return;
    throw this.#failure(
      this.#endedEarly
        ? `The server closed with ${how}${this.#timeOpen}`
        : `The server answered the close with ${how}`,
    );
  }

  /** Returns what did not arrive: in time, or before the connection ended. */
  #describeMissing(count: number): string {
    const { expect } = this.#options;
    const received = this.#received;
    if (expect === undefined) {
      return this.#endedEarly
        ? count === 0
          ? ""
          : `, after ${Math.min(this.#sent, received)} of ${count} messages`
        : `Only ${received} of ${count} messages came back ${this.#inTime()}`;
    }
    const text = printable(expect, 200);
    const others =
      `; ${received} other message${received === 1 ? "" : "s"} came` +
      (this.#binary === 0 ? "" : `, ${this.#binary} of them binary`);
    return this.#endedEarly
      ? `, before a message contained "${text}"${others}`
      : `No message contained "${text}" ${this.#inTime()}${others}`;
  }

  /** Whether the connection has ended. Node.js 22 may fire no close event. */
  get #isOver(): boolean {
    return this.#endedAt !== undefined;
  }

  #inTime(hint = ""): string {
    return `within ${this.#timeout / 1000} s (timed out${hint})`;
  }

  /** How long the connection was open, for a line about its end. */
  get #timeOpen(): string {
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
    this.#onEvent = () => {
      if (condition() || performance.now() > end) resolve();
    };
    await promise;
    this.#onEvent = () => {};
    clearTimeout(timer);
  }
}
