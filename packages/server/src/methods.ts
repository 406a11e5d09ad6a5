import type { RouteName } from "@pullqueue/core";
import type { Method } from "./method.js";
import { batchDelete, batchInsert, batchUpdate } from "./routes/batches.js";
import { cancelLease, leaseFromQueues, leaseTasks, waitForTasks } from "./routes/leases.js";
import { pauseQueue, purgeQueue, redriveQueue, resumeQueue, tagStatsOfQueue } from "./routes/queue-life.js";
import { deleteQueue, getQueue, insertQueue, listQueues, updateQueue } from "./routes/taskqueues.js";
import { deleteTask, getTask, insertTask, listTasks, patchTask, updateTask } from "./routes/tasks.js";

/** Every method of the API by its name; core's `ROUTES` has their verbs and paths. */
export const METHODS: Readonly<Record<RouteName, Method>> = {
  "taskqueues.get": getQueue,
  "tasks.list": listTasks,
  "tasks.insert": insertTask,
  "tasks.lease": leaseTasks,
  "tasks.get": getTask,
  "tasks.update": updateTask,
  "tasks.patch": patchTask,
  "tasks.delete": deleteTask,
  "tasks.batchInsert": batchInsert,
  "tasks.batchUpdate": batchUpdate,
  "tasks.batchDelete": batchDelete,
  "taskqueues.list": listQueues,
  "taskqueues.insert": insertQueue,
  "taskqueues.lease": leaseFromQueues,
  "taskqueues.cancelLease": cancelLease,
  "taskqueues.wait": waitForTasks,
  "taskqueues.update": updateQueue,
  "taskqueues.delete": deleteQueue,
  "taskqueues.purge": purgeQueue,
  "taskqueues.pause": pauseQueue,
  "taskqueues.resume": resumeQueue,
  "taskqueues.tagStats": tagStatsOfQueue,
  "taskqueues.redrive": redriveQueue,
};
