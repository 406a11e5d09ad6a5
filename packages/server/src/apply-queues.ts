import type { QueueAdmin, QueueInfo } from "@pullqueue/core";
import type { QueueFile } from "./queue-yaml.js";

/**
 * Makes a store's queues those of a file: settings are replaced, and the project's other queues are disabled, not deleted,
 * as App Engine did when a new file was uploaded. Paused queues stay so unless the file says otherwise. Resolves with the
 * names of those that this call disabled and resumed.
 */
export async function applyQueueFile(
  store: QueueAdmin,
  project: string,
  file: QueueFile,
): Promise<{ readonly disabled: readonly string[]; readonly resumed: readonly string[] }> {
  const resumed: string[] = [];
  for (const [queue, settings] of file.queues) {
    const { paused } = await store.putQueue({ project, queue }, settings);
    if (!paused || !file.resumesPausedQueues) continue;
    await store.resumeQueue({ project, queue });
    resumed.push(queue);
  }
  const disabled: string[] = [];
  for await (const { key, settings } of queuesOf(store, project)) {
    if (file.queues.has(key.queue) || settings.disabled) continue;
    await store.putQueue(key, { ...settings, disabled: true });
    disabled.push(key.queue);
  }
  return { disabled, resumed };
}

async function* queuesOf(store: QueueAdmin, project: string): AsyncGenerator<QueueInfo> {
  let pageToken: string | undefined;
  do {
    const page = await store.listQueues(project, pageToken === undefined ? {} : { pageToken });
    yield* page.queues;
    pageToken = page.nextPageToken;
  } while (pageToken !== undefined);
}
