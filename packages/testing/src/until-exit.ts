/** What must not outlive this process, in the order in which it came. */
const undone = new Set<() => void>();

/**
 * Has something undone when this process ends, unless it was undone before: whoever is interrupted, or fails while it cleans up, leaves no
 * process and no folder behind. The last to come is the first to go. Gives a call that takes it back.
 */
export function undoAtExit(undo: () => void): () => void {
  if (undone.size === 0) process.on("exit", undoAll);
  undone.add(undo);
  return () => {
    undone.delete(undo);
    if (undone.size === 0) process.off("exit", undoAll);
  };
}

function undoAll(): void {
  for (const undo of [...undone].reverse()) {
    try {
      undo();
    } catch {
      // It is too late to tell anybody, and the others go too.
    }
  }
}
