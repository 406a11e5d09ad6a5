import { type HttpStore, type HttpStoreOptions, openHttpStore } from "@pullqueue/core";
import { type FaultProxy, startFaultProxy } from "./fault-proxy.js";
import { startMemoryServer } from "./http-factories.js";

/** Our server, a proxy in front of it, and a store on either side of the proxy. */
export interface ProxiedServer extends AsyncDisposable {
  readonly proxy: FaultProxy;
  readonly store: HttpStore;
  /** Past the proxy, to see what the server has. */
  readonly direct: HttpStore;
}

/** Starts them; disposing ends all. Pauses of `store` are as short as they can be. */
export async function startProxiedServer(
  options: HttpStoreOptions = {},
  proxyOptions: { readonly plain?: boolean } = {},
): Promise<ProxiedServer> {
  const server = await startMemoryServer();
  const proxy = await startFaultProxy(server.url, proxyOptions);
  const store = openHttpStore({ endpoint: proxy.url, random: () => 1, ...options });
  const direct = openHttpStore({ endpoint: server.url });
  return {
    proxy,
    store,
    direct,
    async [Symbol.asyncDispose]() {
      await Promise.all([store.close(), direct.close()]);
      await proxy[Symbol.asyncDispose]();
      await server.close();
    },
  };
}
