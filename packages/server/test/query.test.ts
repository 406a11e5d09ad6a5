import { expect, test } from "vitest";
import { parseQuery, splitUrl } from "../src/query.js";

test.each([
  ["http://h/a/b", "/a/b", ""],
  ["http://h:1/a?x=/y?z", "/a", "x=/y?z"],
  ["http://h/a?x#y?z", "/a", "x"],
  ["http://h/a#b?c", "/a", ""],
  ["https://[::1]:80/%2F?", "/%2F", ""],
])("splitUrl(%j) keeps path and query as they are", (url, pathname, search) => {
  expect(splitUrl(url)).toEqual({ pathname, search });
});

test("parseQuery() decodes names and values, + as a space, and keeps repetitions", () => {
  const query = parseQuery("a=1&b=x+y%20z&a=2&%C3%A4=%2B&c&&d=&a=3&e=f=g");
  expect([...query]).toEqual([
    ["a", ["1", "2", "3"]],
    ["b", "x y z"],
    ["ä", "+"],
    ["c", ""],
    ["d", ""],
    ["e", "f=g"],
  ]);
});

test.each(["a=%", "a=%zz", "a=%ff", "%ff=1"])("parseQuery(%j) is refused", (search) => {
  expect(() => parseQuery(search)).toThrow(
    expect.objectContaining({ code: "invalid_argument", reason: "invalidParameter" }),
  );
});

test("parseQuery() refuses more than 200 parameters", () => {
  expect(parseQuery("a=1&".repeat(199)).get("a")).toHaveLength(199);
  expect(() => parseQuery("a=1&".repeat(200))).toThrow(/at most 200 parameters, got 201/);
});
