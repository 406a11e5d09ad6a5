// For programs that serve.
export {
  createToken,
  listTokens,
  revokeToken,
  TOKENS_FILE_DEFAULT,
  type TokenGrant,
} from "./auth/own-tokens.js";
export { type Principal, ROLES, type Role } from "./auth/principal.js";
export { SHORT_SCOPES } from "./auth/scopes.js";
export type { StoredToken } from "./auth/stored-token.js";
export { type ConfigSources, loadConfig } from "./config.js";
export {
  CONFIG_FILE_OPTION,
  SERVE_OPTIONS,
  type ServeOptionName,
  type ServerConfig,
} from "./config-options.js";
// For authors of tools.
export { discoveryDocument } from "./discovery.js";
export { createHandler, type HandlerOptions, type RequestHandler } from "./handler.js";
export { createLog, LOG_FORMATS, LOG_LEVELS, type Log, type LogFormat, type LogLevel } from "./log.js";
export { OPTION_GROUPS } from "./option-groups.js";
export type { ServeOption } from "./option-readers.js";
export { parseQueueYaml, type QueueFile } from "./queue-yaml.js";
export { type RunningServer, type StartOptions, startServer } from "./start-server.js";
