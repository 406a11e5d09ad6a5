// What tests of every package may use. Nothing that ships imports it.
export { type Child, type ChildExit, type ChildOptions, startChild } from "./child.js";
export { freshSeed, type Prng, prng } from "./prng.js";
export {
  NoAnswerError,
  type RestAnswer,
  type RestClient,
  type RestRequest,
  type RestTask,
  restClient,
  tasksOf,
} from "./rest-client.js";
export { type ServerProcess, type ServerProcessOptions, startServerProcess } from "./server-process.js";
export { isMissing, type ServiceName } from "./services.js";
export { type TemporaryFolder, temporaryFolder } from "./temp.js";
