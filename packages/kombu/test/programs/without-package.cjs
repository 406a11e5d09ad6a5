// Makes one package impossible to find, as if it were not installed: WITHOUT_PACKAGE.
const Module = require("node:module");

const resolve = Module._resolveFilename;
Module._resolveFilename = function (request, ...others) {
  if (request !== process.env.WITHOUT_PACKAGE) return resolve.call(this, request, ...others);
  throw Object.assign(new Error(`Cannot find module '${request}'`), { code: "MODULE_NOT_FOUND" });
};
