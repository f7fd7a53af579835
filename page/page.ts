/// <reference lib="dom" />
/**
 * The script of the page: shows what main.ts logs, and sends messages of one's
 * own. It runs in a browser only.
 *
 * @module
 */

import { describeClose, describeRefusal } from "../lib/failure.ts";
import { printable } from "../lib/printable.ts";
import { converse } from "../main.ts";

type Kind = "sent" | "received" | "note" | "failure";

const url = location.origin.replace(/^http/, "ws") + "/";
const conversation = document.querySelector<HTMLElement>("#conversation")!;
const messages = document.querySelector<HTMLElement>("#messages")!;
const again = document.querySelector<HTMLButtonElement>("#again")!;
const own = document.querySelector<HTMLFormElement>("#own")!;
const close = document.querySelector<HTMLButtonElement>("#close")!;

/** Adds a line to a log: always as text, whatever it is made of. */
function show(log: HTMLElement, kind: Kind, line: string): void {
  const item = document.createElement("li");
  item.className = kind;
  item.textContent = line;
  log.append(item);
}

// The conversation is logged to the console: it is shown from there.
const log = console.log.bind(console);
console.log = (line: string) => {
  log(line);
  const kind = line.startsWith("client ->")
    ? "sent"
    : line.startsWith("client <-")
    ? "received"
    : "note";
  show(conversation, kind, line);
};

async function run(): Promise<void> {
  again.disabled = true;
  conversation.replaceChildren();
  try {
    await converse(url);
  } catch (error) {
    show(conversation, "failure", (error as Error).message);
  }
  again.disabled = false;
}

/** The connection for messages of one's own. It stays open. */
let socket: WebSocket | undefined;
/** What was to be sent before it was open. */
const waiting: string[] = [];

function connect(): void {
  const connection = new WebSocket(url);
  connection.binaryType = "arraybuffer";
  let opened = false;
  connection.addEventListener("open", () => {
    opened = true;
    show(messages, "note", "connected");
    waiting.splice(0).forEach(send);
  });
  connection.addEventListener("message", (event) => {
    show(messages, "received", `client <- server: ${printable(event.data)}`);
  });
  connection.addEventListener("close", (event) => {
    const how = opened ? describeClose(event) : describeRefusal(url, "");
    const kind = event.wasClean ? "note" : "failure";
    show(messages, kind, `disconnected: ${how}`);
    for (const message of waiting.splice(0)) {
      show(messages, "failure", `not sent: ${printable(message)}`);
    }
  });
  socket = connection;
}

function send(message: string): void {
  socket?.send(message);
  show(messages, "sent", `client -> server: ${printable(message)}`);
}

own.addEventListener("submit", (event) => {
  event.preventDefault();
  const message = String(new FormData(own).get("message"));
  if (socket?.readyState === WebSocket.OPEN) return send(message);
  waiting.push(message);
  if (socket?.readyState !== WebSocket.CONNECTING) connect();
});
close.addEventListener("click", () => socket?.close(1000, "Closed by you"));
again.addEventListener("click", run);
run();
