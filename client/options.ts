// The options of a conversation.

/**
 * Options for {@linkcode Converse}. Times are in milliseconds, below 2 ** 31.
 */
export interface ConverseOptions {
  /**
   * What to send, as text or as bytes. With none, the connection must stay open
   * for one pause. @default {["Hello WebSocket!", "Hello World!"]}
   */
  messages?: (string | Uint8Array<ArrayBuffer>)[];
  /** The subprotocols to offer; the server must choose one. @default {[]} */
  protocols?: string[];
  /**
   * Headers to send with the opening handshake, such as `Authorization`. Deno,
   * Bun and Node.js send them; in a browser, `converse()` rejects.
   */
  headers?: Record<string, string>;
  /**
   * Only for Deno: what makes the connection, for example with a client
   * certificate: `Deno.createHttpClient({ cert, key, http2: false })`.
   */
  client?: Deno.HttpClient;
  /**
   * A text that one of the server's messages must contain. Bytes are read as
   * UTF-8. With it, messages are not counted.
   */
  expect?: string;
  /** The pause after each message. @default {1000} */
  pause?: number;
  /**
   * How long to wait for each of: the connection, the answers after the last
   * pause, and the close. @default {10_000}
   */
  timeout?: number;
  /**
   * Ends the conversation when it is aborted. `converse()` rejects with its
   * reason. A limit for the whole: `AbortSignal.timeout(30_000)`.
   */
  signal?: AbortSignal;
  /** Gets every line, as text that is safe to print. @default {console.log} */
  log?: (line: string) => void;
}

/** The type of `converse()`. */
export type Converse = (
  url: string | URL,
  options?: ConverseOptions,
) => Promise<void>;
