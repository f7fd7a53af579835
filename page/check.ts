/// <reference lib="dom" />
// Says so when page.ts, or a file that it imports, could not be loaded. It runs
// after page.ts, and only for browsers.

if (document.body.dataset.loaded === undefined) {
  document.querySelector<HTMLElement>("#problem")!.hidden = false;
}
