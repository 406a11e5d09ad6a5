import { type AddCommand, examples } from "../command.js";
import { addLogin } from "./auth/login.js";
import { addLogout } from "./auth/logout.js";
import { addPrintAccessToken } from "./auth/print-access-token.js";
import { addRefresh } from "./auth/refresh.js";
import { addStatus } from "./auth/status.js";

/** Adds `auth` with its commands: credentials of those who call a server. It asks no pull-queue server. */
export const addAuth: AddCommand = (program, run) => {
  const auth = program
    .command("auth")
    .description("sign in, and look after the credentials that commands send")
    .configureHelp({ showGlobalOptions: false })
    .addHelpText(
      "after",
      `
Where no file is named: --credentials, or --token-file; else PULLQUEUE_CREDENTIALS, PULLQUEUE_TOKEN_FILE or PULLQUEUE_TOKEN; else Google's
application default credentials: GOOGLE_APPLICATION_CREDENTIALS, gcloud's file, the metadata server.
${examples(
  ["pullqueue auth login client_secrets.json credentials.json", "sign in with the browser"],
  ["pullqueue auth status credentials.json", "who that is, and for how long"],
  ["pullqueue queues --credentials credentials.json", "what credentials are for"],
  ["pullqueue auth logout credentials.json", "revoke and delete them"],
)}`,
    );
  for (const add of [addLogin, addStatus, addPrintAccessToken, addRefresh, addLogout]) add(auth, run);
};
