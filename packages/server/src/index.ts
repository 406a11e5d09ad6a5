// For programs that serve.
export { type ConfigSources, loadConfig, type ServerConfig } from "./config.js";
export {
  CONFIG_FILE_OPTION,
  SERVE_OPTIONS,
  type ServeOption,
  type ServeOptionName,
} from "./config-options.js";
// For authors of tools.
export { discoveryDocument } from "./discovery.js";
export { createHandler, type HandlerOptions, type RequestHandler } from "./handler.js";
export { createLog, LOG_FORMATS, LOG_LEVELS, type Log, type LogFormat, type LogLevel } from "./log.js";
export { parseQueueYaml, type QueueFile } from "./queue-yaml.js";
export { type RunningServer, type StartOptions, startServer } from "./start-server.js";
