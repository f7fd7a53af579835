/// <reference lib="dom" />
// The script of the page. It shows what main.ts logs, and sends the messages of
// the visitor. Only for browsers.

import { describeClose } from "../client/failure.ts";
import { printable } from "../shared/printable.ts";
import { converse } from "../main.ts";
import { Log } from "./log.ts";

const url = location.origin.replace(/^http/, "ws") + "/";
const conversation = new Log(document.querySelector("#conversation")!);
const messages = new Log(document.querySelector("#messages")!);
const again = document.querySelector<HTMLButtonElement>("#again")!;
const form = document.querySelector<HTMLFormElement>("#form")!;
const input = form.querySelector("input")!;
const close = document.querySelector<HTMLButtonElement>("#close")!;
const state = document.querySelector<HTMLElement>("#state")!;

/** Logs a line of the conversation on the page, and to the console. */
function log(line: string): void {
  console.log(line);
  const kinds = { "client ->": "sent", "client <-": "received" } as const;
  const start = line.slice(0, 9) as keyof typeof kinds;
  conversation.add(kinds[start] ?? "note", line);
}

async function run(): Promise<void> {
  if (again.ariaDisabled === "true") return;
  // A button that is disabled would lose the focus.
  again.ariaDisabled = "true";
  conversation.clear();
  try {
    await converse(url, { log });
  } catch (error) {
    conversation.add("failure", (error as Error).message);
  }
  again.ariaDisabled = "false";
}

/** Returns a message as one line that is not too long to read. */
function show(message: string | ArrayBuffer): string {
  return printable(message, 2000);
}

/** The connection for the messages of the visitor. It stays open. */
let socket: WebSocket | undefined;
/** Messages that are sent as soon as it is open. */
const waiting: string[] = [];

/** What to say in each ready state. */
const STATES = ["Connecting", "Connected", "Closing", "Not connected"];

function showState(): void {
  const readyState = socket?.readyState ?? WebSocket.CLOSED;
  state.textContent = STATES[readyState]!;
  close.ariaDisabled = String(readyState !== WebSocket.OPEN);
}

function connect(): void {
  const connection = new WebSocket(url);
  connection.binaryType = "arraybuffer";
  let opened = false;
  connection.addEventListener("open", () => {
    opened = true;
    showState();
    messages.add("note", "connected");
    waiting.splice(0).forEach(send);
  });
  connection.addEventListener("message", (event) => {
    messages.add("received", `client <- server: ${show(event.data)}`);
  });
  connection.addEventListener("close", (event) => {
    showState();
    const how = opened
      ? describeClose(event)
      : "could not connect (is the server running?)";
    messages.add(event.wasClean ? "note" : "failure", `disconnected: ${how}`);
    // If a newer connection exists, the waiting messages belong to it.
    if (connection !== socket) return;
    for (const message of waiting.splice(0)) {
      messages.add("failure", `not sent: ${show(message)}`);
    }
  });
  socket = connection;
  showState();
}

function send(message: string): void {
  socket?.send(message);
  messages.add("sent", `client -> server: ${show(message)}`);
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const message = input.value;
  input.select(); // what is typed next takes its place
  if (socket?.readyState === WebSocket.OPEN) return send(message);
  waiting.push(message);
  if (socket?.readyState !== WebSocket.CONNECTING) connect();
});
close.addEventListener("click", () => {
  if (close.ariaDisabled === "true") {
    return messages.add("note", "nothing to close: not connected");
  }
  socket!.close(1000, "Closed by you");
  showState();
});
again.addEventListener("click", run);
showState();
document.body.dataset.loaded = "";
run();
