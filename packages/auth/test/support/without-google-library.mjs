// For `node --import`: google-auth-library is not installed.
import { register } from "node:module";

const hooks = `export async function resolve(specifier, context, next) {
  if (specifier !== "google-auth-library") return next(specifier, context);
  throw Object.assign(new Error("Cannot find package"), { code: "ERR_MODULE_NOT_FOUND" });
}`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
