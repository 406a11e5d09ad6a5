/** What is nothing but a type already, as nearly all are. */
const PLAIN = /^[a-z0-9./+-]*$/;

/** A content type without its parameters, in lower case, and its charset: `Application/JSON; charset="UTF-8"` gives both. */
export function parseMediaType(contentType: string): {
  readonly type: string;
  readonly charset: string | undefined;
} {
  if (PLAIN.test(contentType)) return { type: contentType, charset: undefined };
  const [type = "", ...parameters] = contentType.split(";");
  const charset = parameters
    .map((parameter) => parameter.split("="))
    .find(([name = ""]) => name.trim().toLowerCase() === "charset")?.[1];
  return { type: type.trim().toLowerCase(), charset: charset?.trim().replace(/^"(.*)"$/, "$1") };
}
