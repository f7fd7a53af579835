// Where JSR is out of reach: what the tests use of @std/assert, from npm.
// @ts-types="./assert.d.ts"
export * from "npm:deno-std@1.3.0/assert/mod.js";
