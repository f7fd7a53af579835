// Makes page/screenshot.png anew, for README.md: deno task screenshot
//
// Were puppeteer-core in deno.json, everybody would download it.
// deno-lint-ignore-file no-import-prefix

import { launch } from "npm:puppeteer-core@25.16.0";
import { setTimeout as delay } from "node:timers/promises";
import { ROOT, startEchoServer } from "../processes.ts";
import { CHROME_FLAGS, CHROMIUM } from "./tools.ts";

if (import.meta.main) {
  await using server = await startEchoServer();
  const browser = await launch({
    executablePath: CHROMIUM!,
    defaultViewport: { width: 1000, height: 400 },
    args: CHROME_FLAGS,
  });
  const page = await browser.newPage();
  await page.goto(server.url.replace("ws", "http"));
  await page.focus("input");
  await page.keyboard.press("Enter");
  while (await page.$("#conversation .line:nth-child(7)") === null) {
    await delay(50);
  }
  await page.click("h1"); // so that no element has the focus
  const path = new URL("page/screenshot.png", ROOT).pathname;
  await page.screenshot({ path: path as `${string}.png` });
  await browser.close();
}
