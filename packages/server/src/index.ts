// For programs that serve.

// For authors of tools.
export { discoveryDocument } from "./discovery.js";
export { createHandler, type HandlerOptions, type RequestHandler } from "./handler.js";
export { createLog, LOG_FORMATS, LOG_LEVELS, type Log, type LogFormat, type LogLevel } from "./log.js";
