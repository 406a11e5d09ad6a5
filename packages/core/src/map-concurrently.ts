/** Maps with at most `concurrency` calls at once; results in the order of the items. Rejects with the first failure. */
export async function mapConcurrently<I, R>(
  items: readonly I[],
  concurrency: number,
  map: (item: I) => Promise<R>,
): Promise<readonly R[]> {
  const results = new Array<R>(items.length);
  let failed = false;
  const entries = items.entries();
  const work = async () => {
    for (const [index, item] of entries) {
      if (failed) return;
      try {
        results[index] = await map(item);
      } catch (error) {
        // The other workers take no further items.
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, items.length) }, work));
  return results;
}
