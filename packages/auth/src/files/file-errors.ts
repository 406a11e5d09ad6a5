import { AuthError } from "../errors.js";

/** The code of an error of the system, such as `ENOENT`; an empty text for other errors. */
export function systemCode(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

/** What the system says of a file, in our words. `deed` completes "the file cannot be …". */
export function fileError(error: unknown, path: string, deed: "read" | "written" | "deleted"): AuthError {
  if (error instanceof AuthError) return error;
  const code = systemCode(error);
  const details = { cause: error };
  switch (code) {
    case "ENOENT":
    case "ENOTDIR":
      return deed === "read"
        ? new AuthError("not_found", `${path}: there is no such file`, details)
        : new AuthError("not_found", `${path}: there is no such folder to put the file in; make it`, details);
    case "EISDIR":
      return new AuthError("invalid_file", `${path}: expected a file, and this is a folder`, details);
    case "ELOOP":
      return new AuthError("invalid_file", `${path}: symbolic links lead in a circle`, details);
    case "ERR_INVALID_ARG_VALUE":
      return new AuthError("invalid_argument", "the path of a file must not hold a null character", details);
    case "EROFS":
      return new AuthError(
        "not_permitted",
        `${path}: the file cannot be ${deed}, its file system is read-only`,
        details,
      );
    case "EBUSY":
      return new AuthError("not_permitted", `${path}: ${MOUNTED}`, details);
    case "ENOSPC":
    case "EDQUOT":
      return new AuthError("not_permitted", `${path}: the file cannot be ${deed}, the disk is full`, details);
    default:
      return new AuthError(
        "not_permitted",
        `${path}: the file cannot be ${deed} (${code === "" ? "unknown error" : code}); check the permissions of the file and its folder`,
        details,
      );
  }
}

/** Why a file cannot be replaced that is itself a mount, as containers do it. */
export const MOUNTED =
  "the file is mounted by itself, so that it cannot be replaced as a whole; mount its folder";
