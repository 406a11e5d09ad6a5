/** What an authorization server keeps: sessions, codes, grants, tokens. It survives a restart of the server, not of the process. */

/** A thing that is kept, as the provider describes it. */
interface Kept {
  readonly grantId?: string;
  readonly uid?: string;
  consumed?: boolean;
}

/** All of one server's things, by model and id. */
export class GrantMemory {
  readonly #things = new Map<string, Kept>();

  /** What the provider calls an adapter: the things of one model. Ends are kept by the provider itself, in the things. */
  adapter(model: string) {
    const things = this.#things;
    const key = (id: string) => `${model}:${id}`;
    const find = (id: string) => Promise.resolve(things.get(key(id)));
    return {
      find,
      findByUserCode: () => Promise.resolve(undefined),
      findByUid: (uid: string) =>
        Promise.resolve(
          [...things].find(([name, thing]) => name.startsWith(`${model}:`) && thing.uid === uid)?.[1],
        ),
      upsert: (id: string, thing: Kept) => {
        things.set(key(id), thing);
        return Promise.resolve();
      },
      consume: async (id: string) => {
        const thing = await find(id);
        if (thing !== undefined) thing.consumed = true;
      },
      destroy: (id: string) => {
        things.delete(key(id));
        return Promise.resolve();
      },
      revokeByGrantId: (grantId: string) => {
        for (const [name, thing] of things) {
          if (name.startsWith(`${model}:`) && thing.grantId === grantId) things.delete(name);
        }
        return Promise.resolve();
      },
    };
  }

  /** Forgets all: whoever had signed in has to do it again. */
  clear(): void {
    this.#things.clear();
  }
}
