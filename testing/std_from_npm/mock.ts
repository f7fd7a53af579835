// Where JSR is out of reach: what the tests use of @std/testing, from npm.
// @ts-types="./mock.d.ts"
export * from "npm:deno-std@1.3.0/testing/mock.js";
